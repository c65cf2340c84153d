import { sharedSecrets } from './sharedSecret.ts'

export const { create, list, revoke } = sharedSecrets('cmc')
