import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { AuthorityView } from '../../src/core/admin.ts'
import { Failure } from '../../src/core/failure.ts'
import { nameOf, nameText } from '../../src/pki/name.ts'
import { fields, line } from './input.ts'
import type { Call } from './operation.ts'
import { coreRoles } from './role.ts'

const YEAR = 31_536_000_000
const LONGEST = 30 * YEAR
const time = z.iso.datetime({ offset: true })

/** `sans_dns` is accepted and left out: CA certificates have no such names here. */
export const authorityBody = fields({
  self_signed: z.boolean('self_signed is true or false').default(false),
  common_name: line('common_name', 64).min(1, 'common_name is required'),
  sans_dns: line('sans_dns', 1000).optional(),
  country_name: z
    .string('country_name has two letters')
    .regex(/^([A-Za-z]{2})?$/, 'country_name has two letters')
    .optional(),
  state_or_province_name: line('state_or_province_name', 128).optional(),
  locality_name: line('locality_name', 128).optional(),
  organization_name: line('organization_name', 64).optional(),
  organizational_unit_name: line('organizational_unit_name', 64).optional(),
  not_valid_after: z
    .string('not_valid_after is a time of RFC 3339')
    .refine((given) => given === '' || time.safeParse(given).success, 'not_valid_after is a time of RFC 3339')
    .optional(),
})
type Draft = z.output<typeof authorityBody>

/** Every certificate manager of the organization, or the owner, signs; whoever may revoke does so. */
const rules = {
  issue: [{ name: 'a certificate manager signs', require: [{ roles: [coreRoles[1].name], owner: true }] }],
  revoke: [{ name: 'users who may revoke', when: 'grounds == "user" && capable', auto: true }],
}

/** What Notary signs: a year, for servers and clients, by what the CSR asks. */
const settings = {
  certificate: { type: 'dual_purpose', validity: { default: '1y', max: '1y' }, extraExtensions: 'ignore' },
}

/**
 * A new authority with an RA profile that serves Notary: self-signed, or with a certificate request that is to be signed. Throws
 * Failure('malformed' | 'forbidden').
 */
export async function makeAuthority(call: Call<Draft>): Promise<AuthorityView> {
  const { door, body } = call
  const validity = validityOf(call)
  const wanted = { key: 'P-384', subject: subjectOf(body), validity } as const
  const made = await underFreeName(namesFor(body.common_name), (name) =>
    body.self_signed ? door.admin.createAuthority({ ...wanted, name }) : door.admin.draftAuthority({ ...wanted, name }),
  )
  await underFreeName(namesFor(`notary ${made.name}`), (name) =>
    door.raProfiles.create({ name, authority: made.name, settings, protocols: { notary: {} }, rules }),
  )
  return made
}

async function underFreeName<Made>(names: string[], make: (name: string) => Promise<Made>): Promise<Made> {
  for (const name of names) {
    try {
      return await make(name)
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'conflict') throw error
    }
  }
  throw new Failure('unavailable', 'no name was free for this certificate authority; ask again')
}

/** Authorities are named by words here: by the common name, and something that no other has. */
function namesFor(commonName: string): string[] {
  const word = commonName
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40)
    .replace(/-+$/, '')
  const name = word === '' ? 'ca' : word
  return [name, ...[1, 2, 3].map(() => `${name}-${randomBytes(4).toString('hex')}`)]
}

function subjectOf(body: Draft): string {
  return nameText(
    nameOf({
      C: body.country_name?.toUpperCase(),
      ST: body.state_or_province_name,
      L: body.locality_name,
      O: body.organization_name,
      OU: body.organizational_unit_name,
      CN: body.common_name,
    }),
  )
}

function validityOf({ host, body }: Call<Draft>): number {
  if (!body.not_valid_after) return 10 * YEAR
  const validity = new Date(body.not_valid_after).getTime() - host.clock().getTime()
  if (validity > 0 && validity <= LONGEST) return validity
  throw new Failure('malformed', 'invalid request: not_valid_after is a time in the next 30 years')
}
