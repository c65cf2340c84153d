/** How people call the ways in. */
const protocols: Readonly<Record<string, string>> = {
  acme: 'ACME',
  alpacon: 'Alpacon REST',
  cli: 'Command line',
  cmc: 'CMC',
  cmp: 'CMP',
  console: 'Console',
  est: 'EST',
  fastpki: 'FastPKI REST',
  import: 'Import',
  internal: 'This installation',
  notary: 'Notary',
  ra: 'REST',
  scep: 'SCEP',
}

export const protocolName = (protocol: string): string => protocols[protocol] ?? protocol

/** What a requester of a kind is, after whose name it stands. */
export const requesterKinds: Readonly<Record<string, string>> = {
  'acme-account': 'ACME account',
  'client-certificate': 'client certificate',
  challenge: 'challenge',
  credential: 'credential',
  token: 'API token',
  user: 'person',
  'key-holder': 'holder of the key',
  system: 'this installation',
}

/** RFC 5280 section 5.3.1, for people. */
export const reasons: Readonly<Record<string, string>> = {
  unspecified: 'Unspecified',
  keyCompromise: 'Key compromise',
  cACompromise: 'CA compromise',
  affiliationChanged: 'Affiliation changed',
  superseded: 'Superseded',
  cessationOfOperation: 'Cessation of operation',
  certificateHold: 'Certificate hold',
  removeFromCRL: 'Lift the hold',
  privilegeWithdrawn: 'Privilege withdrawn',
  aACompromise: 'AA compromise',
}

const units: readonly [string, number][] = [
  ['year', 365 * 86_400_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
]

/** How long a certificate lives, in the largest unit that says it whole: `90 days`, `1 year`, `36 hours`. */
export function lifetime(milliseconds: number): string {
  const [name, size] =
    units.find(([, size]) => milliseconds >= size && milliseconds % size === 0) ?? roundly(milliseconds)
  const count = Math.round(milliseconds / size)
  return `${count} ${name}${count === 1 ? '' : 's'}`
}

/** A minute of backdating is no other lifetime. */
function roundly(milliseconds: number): readonly [string, number] {
  return units.find(([name, size]) => name !== 'year' && milliseconds >= size) ?? ['second', 1000]
}

const actions: Readonly<Record<string, string>> = {
  issue: 'New certificate',
  renew: 'Renewal',
  rekey: 'Renewal with a new key',
  revoke: 'Revocation',
  export: 'Export of a key',
}

export const actionName = (action: string): string => actions[action] ?? action
