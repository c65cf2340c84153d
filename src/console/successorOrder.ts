import type { Claim } from '../core/core.ts'
import { Failure } from '../core/failure.ts'
import type { Succession } from '../core/issuance/successor.ts'
import type { RaProfile } from '../core/profile/profile.ts'
import type { SignDraft } from '../core/request/request.ts'
import { readCertificate } from '../pki/certificateReader.ts'
import type { Csr } from '../pki/csr.ts'
import { kindsOf, readValidity, subjectTypes, thrownAway, wishOf } from './newOrder.ts'
import type { Visit } from './page.ts'
import type { CertificateView } from './pages/certificateView.ts'
import { readCsr } from './pasted.ts'

/** stored: by the request of the certificate; keystore: with a new key there; the others as for a new certificate. */
export type NextWay = 'stored' | 'csr' | 'server' | 'browser' | 'keystore'

/** How the next certificate can be asked for; the first is offered first. */
export function nextWays(view: CertificateView, how: Succession): NextWay[] {
  if (how === 'renew') return view.record.request.csr ? ['stored', 'csr'] : ['csr']
  return [
    ...(view.keyPair?.state === 'active' ? (['keystore'] as const) : []),
    'csr',
    'server',
    ...(subjectInBrowser(view) ? (['browser'] as const) : []),
  ]
}

/** The subject as keys.js writes it; undefined where that would not be the same one. */
export function subjectInBrowser({ certificate }: CertificateView): Record<string, string> | undefined {
  const { subject } = readCertificate(certificate.der)
  const types: readonly string[] = subjectTypes
  const order = subject.map((rdn) => (rdn.length === 1 && !rdn[0]?.der ? types.indexOf(rdn[0]?.type ?? '') : -1))
  if (order.some((at, n) => at < 0 || at <= (order[n - 1] ?? -1))) return undefined
  return Object.fromEntries(subject.flat().map(({ type, value }) => [type, value]))
}

interface Next {
  draft: SignDraft
  claim?: Claim
  /** Does away with a key that was made for an order that was refused. */
  refused?: () => Promise<void>
}

interface Made {
  csr?: Csr
  claim?: Claim
  origin?: SignDraft['origin']
  refused?: () => Promise<void>
}

/** The order for the next certificate, by the form. Throws Failure. */
export async function nextOrder(visit: Visit, view: CertificateView, how: Succession): Promise<Next> {
  const way = wayIn(visit, view, how)
  const { csr, claim, origin, refused } = await made(visit, view, way)
  const draft = await draftOf(visit, view, how, csr)
  return {
    draft: { ...draft, ...(origin ? { origin } : {}) },
    ...(claim ? { claim } : {}),
    ...(refused ? { refused } : {}),
  }
}

/** As it would be: where the server would make a key, one is made and thrown away. */
export async function simulatedNext(visit: Visit, view: CertificateView, how: Succession): Promise<SignDraft> {
  const way = wayIn(visit, view, how)
  const makes = way === 'server' || way === 'keystore'
  const { csr } = makes ? { csr: await likeIt(visit, view) } : await made(visit, view, way)
  return { ...(await draftOf(visit, view, how, csr)), refusal: 'throw' }
}

function wayIn({ form }: Visit, view: CertificateView, how: Succession): NextWay {
  const given = form.text('way', 20)
  const way = nextWays(view, how).find((one) => one === given)
  if (!way) throw new Failure('malformed', 'choose one of the ways that are offered')
  return way
}

async function made(visit: Visit, view: CertificateView, way: NextWay): Promise<Made> {
  const { form, door } = visit
  const { certificate } = view
  switch (way) {
    case 'stored':
      return {}
    case 'csr':
    case 'browser':
      return { csr: readCsr(form.raw('csr', 100_000), await form.file('file')) }
    case 'keystore':
      return door.keyPairs.successor(await profileOf(visit, view), { id: certificate.id }, {})
    case 'server': {
      const profile = await profileOf(visit, view)
      const kind = kindIn(visit, profile)
      const { subject } = readCertificate(certificate.der)
      const wishes = { protocol: 'console', subject, identifiers: certificate.identifiers }
      const once = form.raw('once', 100) === '' ? {} : { once: JSON.stringify(saidIn(visit, view, 'rekey')) }
      const wanted = kind === undefined ? {} : { kind: wishOf(kind) }
      return door.serverKeys.order(profile, { ...wishes, ...once, ...wanted })
    }
  }
}

/** All that the form says, but for a request that was pasted: the same form sent twice says the same. */
export function saidIn({ form }: Visit, { certificate }: CertificateView, how: Succession): unknown[] {
  const fields = ['once', 'way', 'kind', 'validity'].map((name) => form.raw(name, 100))
  return [certificate.uuid, how, ...fields, form.checked('replace')]
}

/** Whether a key is made for this order: its request is another each time that the form is sent. */
export function makesKey({ form }: Visit): boolean {
  return ['keystore', 'server'].includes(form.raw('way', 20)) && form.raw('once', 100) !== ''
}

async function profileOf({ door }: Visit, { record }: CertificateView): Promise<RaProfile> {
  if (!record.profile) throw new Failure('unsupported', 'this certificate was not ordered here: order a new one')
  return (await door.serving({ uuid: record.profile.uuid })).profile
}

async function draftOf(
  { door, form, host }: Visit,
  { certificate }: CertificateView,
  how: Succession,
  csr: Csr | undefined,
): Promise<SignDraft> {
  const next = await door.successor({ id: certificate.id }, how, csr)
  const validity = form.text('validity', 20)
  return {
    ...next,
    protocol: 'console',
    editable: true,
    refusal: 'store',
    ...(validity === undefined ? {} : { notAfter: new Date(host.clock().getTime() + readValidity(validity)) }),
    ...(form.checked('replace') ? { replaceInLocations: true } : {}),
  }
}

/** Throws Failure('badKey') for what the profile does not take. */
function kindIn({ form }: Visit, profile: RaProfile): string | undefined {
  const kind = form.text('kind', 20)
  const kinds = kindsOf(profile, 'server')
  if (kind !== undefined && !kinds.includes(kind))
    throw new Failure('badKey', `this profile takes keys of the kinds ${kinds.join(', ')}`)
  return kind
}

/** A request for another key, like the one that would be made. */
async function likeIt(visit: Visit, view: CertificateView): Promise<Csr> {
  const { certificate } = view
  const kind = kindIn(visit, await profileOf(visit, view))
  const { subject, publicKey } = readCertificate(certificate.der)
  const { algorithm, size, curve } = publicKey
  const old = algorithm === 'RSA' ? `RSA-${Math.min(size, 4096)}` : (curve ?? algorithm)
  return thrownAway({ subject, names: [...certificate.identifiers], kind: wishOf(kind ?? old) })
}
