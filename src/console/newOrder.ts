import { createHash, generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import type { Claim } from '../core/core.ts'
import { Failure } from '../core/failure.ts'
import type { RaProfile } from '../core/profile/profile.ts'
import type { SignDraft } from '../core/request/request.ts'
import type { Csr } from '../pki/csr.ts'
import { parseCsr } from '../pki/csr.ts'
import type { KeyWish } from '../pki/csrAttributes.ts'
import { writeCsr } from '../pki/csrWriter.ts'
import { encodeName, type Name } from '../pki/name.ts'
import { signerFor } from '../pki/signer.ts'
import { parseNames } from './names.ts'
import type { Visit } from './page.ts'
import { readCsr, reading } from './pasted.ts'
import { attributesOf } from './requestAttributes.ts'

/** csr: it is there already; server: the server makes the key; browser: the browser has made it, and its request comes as a CSR. */
export const ways = ['csr', 'server', 'browser'] as const
export type Way = (typeof ways)[number]

export const wayOf = (given: string | null | undefined): Way => ways.find((way) => way === given) ?? 'csr'

/** What can be filled in of a subject, the most significant first. */
export const subjectTypes = ['C', 'ST', 'L', 'O', 'OU', 'CN'] as const

const units = { m: 60_000, h: 3_600_000, d: 86_400_000, y: 31_536_000_000 }

/** Milliseconds of 90d, 12h, 30m, 1y; a bare number is days. Throws Failure('malformed'). */
export function readValidity(text: string): number {
  const [, count, unit = 'd'] = /^([1-9][0-9]{0,5})\s*([mhdy])?$/.exec(text) ?? []
  if (count === undefined) throw new Failure('malformed', 'how long it is good for is written like 90d, 12h or 30m')
  return Number(count) * units[unit as keyof typeof units]
}

/** Which kinds of keys a profile takes that somebody could want to be made. */
export function kindsOf({ settings }: RaProfile, way: Way): string[] {
  const { rsa, ec, ed25519 } = settings.certificate.keys
  const all = [
    ...ec,
    ...(rsa
      ? [2048, 3072, 4096].filter((size) => size >= rsa.min && size <= rsa.max).map((size) => `RSA-${size}`)
      : []),
    ...(ed25519 ? ['Ed25519'] : []),
  ]
  // What WebCrypto makes everywhere.
  return way === 'browser' ? all.filter((kind) => ['P-256', 'RSA-2048', 'RSA-3072'].includes(kind)) : all
}

/** The subject attributes that come from who asks, by the profile's template; all where he may choose the subject himself. */
export function askedSubject({ settings }: RaProfile): readonly (typeof subjectTypes)[number][] {
  const { overrides, subject } = settings.certificate
  if (overrides.includes('subject')) return subjectTypes
  const templates = Object.values(subject).join(' ')
  return subjectTypes.filter((type) => templates.includes(`{csr.${type}}`))
}

/** What was filled in, before anything is made of it. */
export interface Order {
  profile: RaProfile
  way: Way
  /** All but the request and its names. */
  wishes: Pick<SignDraft, 'profile' | 'protocol' | 'action' | 'notAfter' | 'kept' | 'refusal' | 'editable'>
  csr?: Csr
  names: ReturnType<typeof parseNames>
  subject: Name
  kind?: KeyWish
}

/** Reads the form. Throws Failure: malformed, badCsr, with what to do. */
export async function readOrder(visit: Visit, profile: RaProfile): Promise<Order> {
  const { form, door, host } = visit
  const way = wayOf(form.text('way', 20))
  const variant = form.text('variant', 100)
  const chosen = variant === undefined ? profile : door.variant(profile, variant)
  const validity = form.text('validity', 20)
  const attributes = await attributesOf(visit, profile)
  const csr = way === 'server' ? undefined : readCsr(form.raw('csr', 100_000), await form.file('file'))
  const kind = form.text('kind', 20)
  if (way !== 'csr' && kind !== undefined && !kindsOf(chosen, way).includes(kind))
    throw new Failure('badKey', `this profile takes keys of the kinds ${kindsOf(chosen, way).join(', ')}`)
  return {
    profile: chosen,
    way,
    wishes: {
      profile: chosen,
      protocol: 'console',
      action: 'issue',
      refusal: 'store',
      editable: true,
      ...(validity === undefined ? {} : { notAfter: new Date(host.clock().getTime() + readValidity(validity)) }),
      ...(attributes.length === 0 ? {} : { kept: { attributes } }),
    },
    ...(csr ? { csr } : {}),
    names: parseNames(form.text('names', 20_000) ?? ''),
    subject: readSubject(visit, chosen),
    ...(kind === undefined || way !== 'server' ? {} : { kind: wishOf(kind) }),
  }
}

function readSubject({ form }: Visit, profile: RaProfile): Name {
  const name = askedSubject(profile).flatMap((type) => {
    const value = form.text(`subject-${type}`, 200)
    return value === undefined ? [] : [[{ type, value }]]
  })
  reading('malformed', () => encodeName(name))
  return name
}

/** What was chosen of kindsOf. */
export function wishOf(kind: string): KeyWish {
  if (kind.startsWith('RSA-')) return { algorithm: 'RSA', size: Number(kind.slice(4)) }
  if (kind === 'Ed25519') return { algorithm: 'Ed25519' }
  return { algorithm: 'EC', curve: kind as Extract<KeyWish, { algorithm: 'EC' }>['curve'] }
}

/** What the request asks for: the names filled in, else its own; and a subject of its own where the profile lets people choose. */
function askedBy({ door }: Visit, { profile, csr, names, subject, wishes }: Order, made: Csr): SignDraft {
  const own = profile.settings.certificate.overrides.includes('subject')
  const wanted = subject.length > 0 ? subject : (csr?.subject ?? [])
  return {
    ...wishes,
    csr: made,
    identifiers: names.length > 0 ? names : door.requestedNames(profile, made),
    ...(own && wanted.length > 0 ? { subject: wanted } : {}),
    ...(!own && subject.length > 0 ? { requestedSubject: subject } : {}),
  }
}

const generate = promisify(generateKeyPair)

/** The draft as it would be: where the server would make the key, one is made and thrown away. */
export async function simulated(visit: Visit, order: Order): Promise<SignDraft> {
  return { ...askedBy(visit, order, order.csr ?? (await thrownAway(order))), refusal: 'throw' }
}

const pretended = new Map<string, ReturnType<typeof generated>>()

/** A request whose key nobody uses: what is simulated needs no more. One key of each kind serves all, since whoever may look may try as often as he likes. */
export async function thrownAway({ subject, names, kind }: Pick<Order, 'subject' | 'names' | 'kind'>): Promise<Csr> {
  const which = JSON.stringify(kind ?? null)
  const made = pretended.get(which) ?? generated(kind)
  pretended.set(which, made)
  const { privateKey } = await made
  return parseCsr(await writeCsr({ subject, identifiers: names }, signerFor(privateKey)))
}

function generated(kind: KeyWish | undefined) {
  if (kind?.algorithm === 'RSA') return generate('rsa', { modulusLength: kind.size })
  if (kind?.algorithm === 'Ed25519') return generate('ed25519')
  return generate('ec', { namedCurve: kind?.algorithm === 'EC' ? kind.curve : 'P-256' })
}

/** The draft and the claim for `sign`. The same form sent twice is one order: its origin says so. */
export async function ordered(visit: Visit, order: Order): Promise<{ draft: SignDraft; claim?: Claim }> {
  const { door, requester, form } = visit
  const { profile, csr, names, subject, kind } = order
  const { notAfter: _, ...same } = order.wishes
  const told = [
    form.raw('once', 100),
    csr?.der.toString('base64') ?? kind,
    names,
    subject,
    form.text('validity', 20),
    same.kept,
  ]
  if (csr) {
    const ref = createHash('sha256')
      .update(JSON.stringify([profile.id, profile.variant, requester.ref, ...told]))
      .digest('base64url')
    return { draft: { ...askedBy(visit, order, csr), origin: { protocol: 'console', ref } } }
  }
  if (names.length === 0 && subject.length === 0)
    throw new Failure('malformed', 'say which names the certificate is for')
  const made = await door.serverKeys.order(profile, {
    protocol: 'console',
    subject,
    identifiers: names,
    ...(form.raw('once', 100) === '' ? {} : { once: JSON.stringify([profile.variant, ...told]) }),
    ...(kind ? { kind } : {}),
  })
  return { draft: { ...askedBy(visit, order, made.csr), origin: made.origin }, claim: made.claim }
}
