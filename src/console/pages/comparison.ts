import type { RequestDetail } from '../../core/listing/listing.ts'
import type { RaProfile } from '../../core/profile/profile.ts'
import type { CertificateFields } from '../../pki/certificateReader.ts'
import type { Csr } from '../../pki/csr.ts'
import type { Identifier } from '../../pki/identifier.ts'
import { nameText } from '../../pki/name.ts'
import { allowedKeys, allowedNames, allowedSubject, allowedValidity } from './comparisonAllowed.ts'
import { otherExtensions, type UsageWish, usageLines } from './comparisonUsage.ts'

/** One thing that a request asks for, what its profile says of it, and what a certificate has or will have of it. */
export interface Line {
  what: string
  asked?: string
  allowed?: string
  made?: string
  mark?: Mark
}

/** How what is made differs from what was asked. */
export type Mark = 'added' | 'left out' | 'changed' | 'outside the profile'

export interface Compared {
  detail: RequestDetail
  /** Absent: none was sent, or none was kept. */
  csr?: Csr
  /** As it is now; absent where it serves nobody any more. */
  profile?: RaProfile
  /** What came of it. */
  certificate?: CertificateFields
  /** Names that the profile does not certify, as `type:value`. */
  outside: ReadonlySet<string>
  /** Usages that a certificate of the profile will have, while there is none. */
  wish?: UsageWish
}

export const nameKey = ({ type, value }: { type: string; value: string }): string => `${type}:${value}`

/** All that is to be compared, what matters most first. */
export function compare(compared: Compared): Line[] {
  const { csr, profile, certificate, detail } = compared
  const settings = profile?.settings.certificate
  return [
    subjectLine(compared),
    ...nameLines(compared),
    keyLine(compared),
    validityLine(compared),
    ...usageLines(compared),
    stapleLine(compared),
    ...constraintLines(compared),
    ...(csr ? otherExtensions(csr, certificate, settings?.extraExtensions) : []),
    ...(csr
      ? [
          {
            what: 'Proof of the key',
            asked: csr.signatureAlgorithm === 'raVerified' ? 'vouched for' : csr.signatureAlgorithm,
          },
        ]
      : []),
  ].filter((line): line is Line => line !== undefined && (detail.wanted !== null || line.made !== undefined))
}

/** With the mark that follows from its cells, unless it has one. */
export function marked(line: Line): Line {
  const { asked, made, mark } = line
  if (mark !== undefined || made === asked) return line
  if (asked === undefined) return { ...line, mark: 'added' }
  return { ...line, mark: made === undefined ? 'left out' : 'changed' }
}

function subjectLine({ csr, profile, certificate, detail }: Compared): Line {
  const asked = csr && nameText(csr.subject)
  const made = certificate ? nameText(certificate.subject) : detail.wanted?.subject
  return marked({
    what: 'Subject',
    ...text('asked', asked),
    ...text('allowed', profile && allowedSubject(profile.settings.certificate)),
    ...text('made', made),
  })
}

const kinds = { dns: 'DNS name', ip: 'IP address', email: 'E-mail address', uri: 'URI' } as const

function nameLines({ csr, profile, certificate, detail, outside }: Compared): Line[] {
  const asked = csr?.identifiers ?? []
  const made = certificate?.identifiers ?? detail.wanted?.identifiers ?? []
  const all = new Map([...made, ...asked].map((name) => [nameKey(name), name]))
  const has = (names: readonly Identifier[], key: string) => names.some((name) => nameKey(name) === key)
  const lines = [...all].map(([key, name]): Line => {
    const line = marked({
      what: kinds[name.type],
      ...(has(asked, key) ? { asked: name.value } : {}),
      ...text('allowed', profile && allowedNames(profile.settings.certificate, name.type)),
      ...(has(made, key) ? { made: name.value } : {}),
    })
    return outside.has(key) ? { ...line, mark: 'outside the profile' } : csr ? line : plain(line)
  })
  const others = (csr?.otherNames ?? []).map(
    ({ der }): Line => ({ what: 'Other name', asked: `#${der.toString('hex')}`, mark: 'left out' }),
  )
  return [...lines, ...others]
}

/** Where no CSR was kept nothing was added to it. */
function plain({ mark: _, ...line }: Line): Line {
  return line
}

const keyText = ({ algorithm, size, curve }: { algorithm: string; size: number; curve?: string | null | undefined }) =>
  curve ? `EC ${curve}` : algorithm === 'RSA' ? `RSA ${size} bits` : algorithm

function keyLine({ csr, profile, certificate, detail }: Compared): Line {
  const { key } = detail
  const asked = csr?.publicKey ?? key ?? undefined
  const made = certificate ? keyOf(certificate) : asked && { text: keyText(asked), hash: asked.spkiHash }
  const line: Line = {
    what: 'Key',
    ...text('asked', asked && keyText(asked)),
    ...text('allowed', profile && allowedKeys(profile.settings.certificate)),
    ...text('made', made?.text),
  }
  return asked && made && asked.spkiHash !== made.hash ? { ...line, mark: 'changed' } : line
}

/** A key of an algorithm that is not served here has no words. */
function keyOf(certificate: CertificateFields): { text: string; hash: string } | undefined {
  try {
    return { text: keyText(certificate.publicKey), hash: certificate.publicKey.spkiHash }
  } catch {
    return undefined
  }
}

const day = (at: Date) => `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`

function validityLine({ profile, certificate, detail }: Compared): Line {
  const { wanted } = detail
  const asked = wanted && (wanted.notBefore || wanted.notAfter) ? period(wanted.notBefore, wanted.notAfter) : undefined
  const made = certificate
    ? period(certificate.notBefore, certificate.notAfter)
    : wanted && (asked ?? `${Math.round(wanted.validity / 8_640_000) / 10} days from issuing on`)
  return {
    what: 'Validity',
    ...text('asked', asked),
    ...text('allowed', profile && allowedValidity(profile.settings.certificate)),
    ...text('made', made ?? undefined),
  }
}

const period = (from: Date | null, until: Date | null): string =>
  [from && `from ${day(from)}`, until && `until ${day(until)}`].filter(Boolean).join(' ')

const TLS_FEATURE = '1.3.6.1.5.5.7.1.24'

function stapleLine({ csr, profile, certificate, detail }: Compared): Line | undefined {
  const has = (of: Pick<Csr, 'extensions'> | undefined) =>
    of?.extensions.some(({ oid }) => oid === TLS_FEATURE) ?? false
  const [asked, made] = [has(csr), certificate ? has(certificate) : (detail.wanted?.mustStaple ?? false)]
  if (!asked && !made) return undefined
  return marked({
    what: 'Must-staple',
    ...(asked ? { asked: 'yes' } : {}),
    ...text('allowed', profile && (profile.settings.certificate.mustStaple === 'honour' ? 'may be asked' : 'refused')),
    ...(made ? { made: 'yes' } : {}),
  })
}

function constraintLines({ certificate, detail: { wanted } }: Compared): (Line | undefined)[] {
  const isCa = certificate?.isCa ?? wanted?.type === 'ca'
  if (!isCa) return []
  const length = certificate ? certificate.pathLength : wanted?.pathLength
  const constraints = wanted?.nameConstraints
  const of = (list: readonly { type: string; value: unknown }[]) =>
    list.map(({ type, value }) => `${type} ${typeof value === 'string' ? value : '…'}`).join(', ')
  return [
    { what: 'Certifies others', made: length == null ? 'yes, without a limit' : `yes, ${length} below it` },
    constraints
      ? {
          what: 'Name constraints',
          made: `permitted: ${of(constraints.permitted) || 'all'}; excluded: ${of(constraints.excluded) || 'none'}`,
        }
      : undefined,
  ]
}

function text<K extends 'asked' | 'allowed' | 'made'>(key: K, value: string | undefined): { [P in K]?: string } {
  return (value === undefined || value === '' ? {} : { [key]: value }) as { [P in K]?: string }
}
