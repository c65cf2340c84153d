import { z } from 'zod'
import { operation } from '../operation.ts'
import { certificateRef, name } from './fields.ts'

export const exportKey = operation({
  name: 'certificate.export-key',
  person: 'exports a private key',
  input: z.strictObject({ ref: certificateRef, authority: name.optional() }),
  run: async ({ door }, { ref, authority }) => {
    const wanted = 'serial' in ref && authority !== undefined ? { ...ref, authority } : ref
    return { pkcs8: (await door.admin.exportKey(wanted)).toString('base64') }
  },
})
