import type { AuthorityView } from '../../src/core/admin.ts'
import type { Door } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import { nameOf, nameText } from '../../src/pki/name.ts'
import { profileOf } from './authorityView.ts'
import { DAY } from './days.ts'
import { Invalid } from './errors.ts'

/** What the client gives for a new authority: a root of its own, whose profile takes the validity of what it signs. */
export interface AuthorityDraft {
  name: string
  organization?: string | null | undefined
  root_valid_days: number
  default_valid_days: number
  max_valid_days: number
  owner?: string | null | undefined
}

/** Authorities and profiles are named by lower-case letters, digits and dashes. Throws Invalid. */
function slugOf(given: string): string {
  const slug = given
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 63)
  if (slug === '') throw new Invalid({ name: ['A name has at least one letter or digit of ASCII.'] })
  return slug
}

/** Makes the authority, then a profile of the same name, on which its owner decides. `problem`: why there is no profile. */
export async function createAuthority(
  door: Door,
  draft: AuthorityDraft,
): Promise<{ authority: AuthorityView; problem?: string }> {
  const name = slugOf(draft.name)
  requireDays(draft)
  // Before there is an authority that would stay without a profile.
  if ((await door.admin.profiles()).some((profile) => profile.name === name))
    throw new Failure('conflict', `there is a profile ${name} already: choose another name`)
  const { owner, organization } = draft
  const authority = await door.admin.createAuthority({
    name,
    key: 'P-256',
    subject: nameText(nameOf({ O: organization || undefined, CN: draft.name })),
    validity: draft.root_valid_days * DAY,
    ...(owner ? { owner } : {}),
  })
  try {
    await door.raProfiles.create({
      name,
      authority: name,
      settings: { certificate: { extraExtensions: 'ignore', validity: validityOf(draft) } },
      protocols: { alpacon: {} },
      rules: {},
    })
    return { authority }
  } catch (error) {
    if (error instanceof Failure) return { authority, problem: error.detail }
    throw error
  }
}

function requireDays({ default_valid_days: usual, max_valid_days: most }: AuthorityDraft): void {
  if (usual > most) throw new Invalid({ default_valid_days: ['This is more than max_valid_days.'] })
}

function validityOf({ default_valid_days: usual, max_valid_days: most }: AuthorityDraft) {
  return { default: `${usual}d`, max: `${most}d` }
}

export interface AuthorityChange {
  owner?: string
  default_valid_days?: number
  max_valid_days?: number
}

/** Changes the owner, and the validity in the profile that stands for the authority. */
export async function changeAuthority(door: Door, { name }: AuthorityView, change: AuthorityChange): Promise<void> {
  const { owner, default_valid_days: usual, max_valid_days: most } = change
  const validity = usual !== undefined || most !== undefined
  const profile = validity ? profileOf(await door.admin.profiles(), name) : undefined
  if (validity && !profile)
    throw new Failure(
      'conflict',
      'no profile under this authority serves this contract: there is no validity to change',
    )
  // First, since only this can name what is not there.
  if (owner !== undefined) await door.admin.changeAuthority(name, { owner })
  if (!profile) return
  await door.raProfiles.change(profile.uuid, ({ settings }) => ({ settings: withValidity(settings, { usual, most }) }))
}

function withValidity(
  settings: unknown,
  { usual, most }: { usual: number | undefined; most: number | undefined },
): unknown {
  const written = asObject(settings)
  const certificate = asObject(written.certificate)
  const validity = {
    ...asObject(certificate.validity),
    ...(usual === undefined ? {} : { default: `${usual}d` }),
    ...(most === undefined ? {} : { max: `${most}d` }),
  }
  return { ...written, certificate: { ...certificate, validity } }
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

/** What the client is told to do after it has made one. */
export function instructionFor({ authority, problem }: Awaited<ReturnType<typeof createAuthority>>): string {
  const { name } = authority
  if (problem !== undefined)
    return `The authority ${name} signs in this server: nothing is to be installed. It has no profile yet (${problem}): an administrator makes one that serves alpacon.`
  return `The authority ${name} signs in this server: nothing is to be installed. Its profile ${name} serves orders that name this authority; those that name none go to it once an administrator sets protocols.alpacon.takesOrders there.`
}
