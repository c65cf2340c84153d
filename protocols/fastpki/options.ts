import { z } from 'zod'

export const keySizes = [2048, 3072, 4096] as const

/** FastPKI's settings on an RA profile: docs/protocols/fastpki.md. */
export const fastpkiOptions = z
  .strictObject({
    /** Of the RSA keys that are made here, where the client does not say. */
    keySize: z.union(keySizes.map((size) => z.literal(size))).default(2048),
    /** Of certificates, where the client does not say; absent: 365, or as few as the profile allows. */
    validDays: z.int().min(1).max(36_500).optional(),
    /** Whether the keys that are made here stay, for who may export them. */
    keepKeys: z.boolean().default(true),
    /** Whether every member of the organization sees its certificates over this contract, as the contract has it. */
    membersRead: z.boolean().default(true),
  })
  .prefault({})
export type FastpkiOptions = z.output<typeof fastpkiOptions>
