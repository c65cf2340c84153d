import { createHash } from 'node:crypto'
import type { Certificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import { readAuthorization } from '../../src/http/authorization.ts'
import { type Device, recognise } from '../../src/http/device.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { OID } from '../../src/pki/oid.ts'
import type { ClientCertificate } from '../../src/protocol.ts'
import type { Exchange } from './exchange.ts'

/** Whose connection it is, as far as TLS and HTTP tell. The password is looked at when it is known what it shall be good for. */
export interface Client {
  /** With a certificate of this profile that may be used here. */
  certificate?: Certificate
  /** With one of this authority that makes its holder a registration authority (id-kp-cmcRA). */
  registrationAuthority?: Certificate
  device?: Device
  password?: { name?: string; secret: string }
}

/**
 * Who asks, as RFC 7030 sections 3.2.3 and 3.3.2 have it, and whether that is all that the profile wants to see. Throws Failure: unauthenticated where a password
 * would help, forbidden where it would not, and always for a certificate of ours that was revoked.
 */
export async function clientOf(exchange: Exchange): Promise<Client> {
  const { incoming, options, host } = exchange
  const shown = host.clientCertificate(incoming)
  const known = shown ? await certificateHolder(exchange, shown) : { problem: 'no client certificate was shown' }
  const password = readAuthorization(incoming)
  const problem = 'problem' in known ? known.problem : undefined
  const holder: Client = 'problem' in known ? {} : known
  const { require } = options
  const [wantsCertificate, wantsPassword] = [
    require === 'certificate' || require === 'both',
    require === 'password' || require === 'both',
  ]
  if (wantsCertificate && problem !== undefined) throw new Failure('forbidden', `${problem}: this profile needs one`)
  if (!password && (wantsPassword || (problem !== undefined && require === 'any')))
    throw new Failure(
      'unauthenticated',
      wantsPassword ? 'a name and a password are needed' : `${problem}, and no password`,
    )
  return { ...holder, ...(password && require !== 'certificate' ? { password } : {}) }
}

type Holder = Omit<Client, 'password'> | { problem: string }

/** Whose certificate this is, and what it makes him here. Throws Failure('forbidden') for one of ours that was revoked. */
export async function certificateHolder(exchange: Exchange, { der, chain }: ClientCertificate): Promise<Holder> {
  const fingerprint = createHash('sha256').update(der).digest('hex')
  const own = await exchange.door.findCertificate({ fingerprint })
  // One that was only made known here says no more of its holder than somebody else's does, unless it was revoked.
  if (own && (own.source === 'managed' || own.status !== 'issued')) return ownHolder(exchange, own)
  const known = await recognise(exchange.host, { der, chain }, exchange.options.trustAnchors)
  if ('device' in known) return known
  const problem = `the client certificate ${known.problem}`
  if (known.refused) throw new Failure('forbidden', problem)
  return { problem }
}

/** The handshake has proved the key, and the record is the certificate to the last octet: its signature need not be looked at again. */
function ownHolder({ profile, operation, options, now }: Exchange, certificate: Certificate): Holder {
  const { status, notBefore, notAfter, profileId, authorityId, der } = certificate
  if (status !== 'issued')
    throw new Failure('forbidden', `the client certificate is ${status === 'hold' ? 'on hold' : 'revoked'}`)
  if (notBefore > now) return { problem: 'the client certificate is not valid yet' }
  const again = operation === 'simplereenroll'
  const ended = notAfter <= now
  const end = notAfter.getTime() + (again ? (options.reenroll.grace ?? 0) : 0)
  if (end <= now.getTime()) return { problem: 'the client certificate has expired' }
  const { extendedKeyUsage: purposes } = readCertificate(der)
  // Past its end it is good for its own renewal alone.
  const mayAct = options.registrationAuthorities && authorityId === profile.authorityId && !ended
  if (mayAct && purposes?.includes(OID.cmcRA)) return { registrationAuthority: certificate }
  if (profileId !== profile.id) return { problem: 'the client certificate is of another profile' }
  // Whatever it is for, who holds its key may renew it.
  const forClients = !purposes || purposes.includes(OID.clientAuth) || purposes.includes(OID.anyExtendedKeyUsage)
  return again || forClients ? { certificate } : { problem: 'the client certificate is not for TLS clients' }
}
