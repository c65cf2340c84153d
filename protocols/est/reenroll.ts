import type { Certificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import type { HttpAnswer } from '../../src/http/answer.ts'
import { readChangeSubjectName } from '../../src/pki/changeSubjectName.ts'
import type { Csr } from '../../src/pki/csr.ts'
import { clientOf } from './client.ts'
import { enroll, type Order, order, requestOf } from './enroll.ts'
import type { Exchange } from './exchange.ts'
import { outcomeOf } from './outcome.ts'
import { refuseEarly } from './renewalWindow.ts'

/** simplereenroll: RFC 7030 section 4.2.2. What opened the connection is what is renewed; a registration authority asks for others. */
export async function reenroll(exchange: Exchange): Promise<HttpAnswer> {
  const client = await clientOf(exchange)
  if (client.registrationAuthority) return enroll(exchange)
  const { certificate } = client
  if (!certificate)
    throw new Failure('forbidden', 'a re-enrolment needs the certificate that it renews as TLS client certificate')
  refuseEarly(exchange, certificate)
  const { csr, linked } = await requestOf(exchange, client)
  const action = certificate.spkiHash === csr.publicKey.spkiHash ? 'renew' : 'rekey'
  const names = namesOf(exchange, certificate, csr)
  const request = await order(exchange, client, { csr, ...names, action, renews: certificate.id })
  return outcomeOf(exchange, request, linked)
}

/** The names must be those of the certificate; others are asked for by ChangeSubjectName beside them (RFC 6402 section 2.8). */
export function namesOf(
  { door, profile, options }: Exchange,
  certificate: Certificate,
  csr: Csr,
): Pick<Order, 'identifiers' | 'requestedSubject'> {
  const identifiers = door.requestedNames(profile, csr)
  if (!door.keepsNames(profile, certificate, { csr, identifiers }))
    throw new Failure('forbidden', 'a re-enrolment has the subject and the names of the certificate that it renews')
  const change = readChangeSubjectName(csr.attributes)
  if (!change) return { identifiers }
  if (!options.changeSubjectName) throw new Failure('forbidden', 'this profile changes no names at re-enrolment')
  const subject = change.subject ?? []
  const changed = { subject, identifiers: change.identifiers ?? [] }
  return { identifiers: door.requestedNames(profile, changed), requestedSubject: subject }
}
