export const capabilities = [
  'read',
  'create_cert',
  'revoke_cert',
  'export_private_key',
  'approve',
  'create_ca',
  'delete_ca',
  'manage',
] as const
export type Capability = (typeof capabilities)[number]
