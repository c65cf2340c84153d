import type { Csr } from '../../pki/csr.ts'
import { formatIp, isValidDnsName, parseIp } from '../../pki/identifier.ts'
import { Failure } from '../failure.ts'
import { parsePkcs10 } from '../request/csr.ts'
import type { SignRequest } from '../request/request.ts'

/**
 * The PKCS #10 request that an upstream CA gets: the client's own, since nobody else can sign it, with exactly the names to certify (RFC 8555
 * section 7.4). Throws Failure with what the client should do about it.
 */
export function upstreamCsr({ wanted, csr }: Pick<SignRequest, 'wanted' | 'csr'>): Csr {
  if (wanted.type === 'ca') throw new Failure('unsupported', 'no ACME CA signs the certificates of other CAs')
  const other = wanted.identifiers.find(({ type }) => type !== 'dns' && type !== 'ip')
  if (other)
    throw new Failure('rejectedIdentifier', `an upstream CA certifies DNS names and IP addresses, not ${other.value}`)
  const names = wanted.identifiers.map(({ value }) => value)
  if (names.length === 0)
    throw new Failure('rejectedIdentifier', 'an upstream CA certifies names, and none was ordered')
  const whole = readWhole(csr ?? Buffer.alloc(0))
  const given = namesIn(whole)
  if (given.size !== names.length || names.some((name) => !given.has(name)))
    throw new Failure(
      'badCsr',
      `an upstream CA wants the names of the certificate in the request itself: make it with ${names.join(', ')} in its subjectAltName, and no others`,
    )
  return whole
}

/** A challengePassword is taken out before a request is kept, and its signature does not fit then. */
function readWhole(der: Buffer): Csr {
  try {
    return parsePkcs10(der)
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    throw new Failure('badCsr', 'an upstream CA takes PKCS #10 requests alone, and none with a challengePassword', {
      cause,
    })
  }
}

/** Where a common name is a host, CAs take it for one of the names. */
function namesIn({ identifiers, subject }: Csr): Set<string> {
  const names = new Set(identifiers.map(({ value }) => value))
  for (const { type, value } of subject.flat()) {
    if (type !== 'CN') continue
    const host = value.toLowerCase()
    const address = parseIp(host)
    if (address) names.add(formatIp(address))
    else if (isValidDnsName(host, { wildcard: true })) names.add(host)
  }
  return names
}
