import { newCsr } from '../../helpers/world.ts'
import { type Client, type Crowd, expectOne, firstOf, nameOf, pemOf, revokes, speaker, waits } from './crowd.ts'

export function restClient(crowd: Crowd): Client {
  const { ledger } = crowd
  const say = speaker(crowd, '/api')
  const certificates = '/v2/operations/authorities/issuing/raProfiles/crowd/certificates'
  return async (number) => {
    const name = nameOf('rest', number)
    const body = { request: (await newCsr([name])).der.toString('base64'), attributes: [] }
    const made = await say('POST', certificates, body, { 'idempotency-key': name })
    if (!expectOne(crowd, `an order by REST`, made, 200)) return
    const { uuid, certificateData } = JSON.parse(made.text)
    ledger.accepted('rest', name)
    if (waits(name) || certificateData === '') return
    const serial = ledger.issued(name, Buffer.from(certificateData, 'base64'))
    if (!revokes(crowd)) return
    ledger.asksRevocation(serial)
    const gone = await say('POST', `${certificates}/${uuid}/revoke`, { reason: 'SUPERSEDED', attributes: [] })
    // One that was revoked by the request whose answer was cut off.
    if (expectOne(crowd, 'a revocation by REST', gone, 204, 400, 409, 422) && gone.status === 204)
      ledger.withdrawn(serial)
  }
}

export function notaryClient(crowd: Crowd): Client {
  const { ledger } = crowd
  const say = speaker(crowd, '/notary')
  const requests = '/api/v1/certificate_requests'
  return async (number) => {
    const name = nameOf('notary', number)
    const made = await say('POST', requests, { csr: await pemOf(name) })
    if (!expectOne(crowd, 'a request to Notary', made, 201, 400, 409, 422) || made.status !== 201) return
    const { id } = JSON.parse(made.text).result
    ledger.accepted('notary', name)
    const shown = await say('GET', `${requests}/${id}`)
    if (!expectOne(crowd, 'a look at Notary', shown, 200)) return
    const { status, certificate_chain: chain } = JSON.parse(shown.text).result
    if (status !== 'Active') return
    const serial = ledger.issued(name, firstOf(chain))
    if (!revokes(crowd)) return
    ledger.asksRevocation(serial)
    const gone = await say('POST', `${requests}/${id}/certificate/revoke`)
    if (expectOne(crowd, 'a revocation by Notary', gone, 202, 400, 409, 422) && gone.status === 202)
      ledger.withdrawn(serial)
  }
}

export function fastpkiClient(crowd: Crowd): Client {
  const { ledger, world } = crowd
  const say = speaker(crowd, '/fastpki/api/v1')
  return async (number) => {
    const name = nameOf('fastpki', number)
    const body = { csr: await pemOf(name), ca_id: world.issuing, certificate_type: 'server', common_name: name }
    const made = await say('POST', '/certificates/sign-csr', body, { 'idempotency-key': name })
    if (!expectOne(crowd, 'an order by FastPKI', made, 201, 202)) return
    const { id, certificate } = JSON.parse(made.text)
    ledger.accepted('fastpki', name)
    if (made.status === 202) return
    const serial = ledger.issued(name, firstOf(certificate))
    if (!revokes(crowd)) return
    ledger.asksRevocation(serial)
    const gone = await say('POST', `/certificates/${id}/revoke`, { reason: 'Superseded' })
    if (expectOne(crowd, 'a revocation by FastPKI', gone, 200, 409)) ledger.withdrawn(serial)
  }
}

export function alpaconClient(crowd: Crowd): Client {
  const { ledger } = crowd
  const say = speaker(crowd, '/alpacon/api/cert', `token="${crowd.world.operator}"`)
  return async (number) => {
    const name = nameOf('alpacon', number)
    const order = { domain_list: [name], ip_list: [], valid_days: 30 }
    const made = await say('POST', '/sign-requests/', order)
    if (!expectOne(crowd, 'an order by Alpacon', made, 201)) return
    const { id } = JSON.parse(made.text)
    const sent = await say('PATCH', `/sign-requests/${id}/submit/`, { csr_text: await pemOf(name) })
    // 409: it was taken by the message whose answer was cut off.
    if (!expectOne(crowd, 'a CSR by Alpacon', sent, 200, 409)) return
    ledger.accepted('alpacon', name)
    const shown = await say('GET', `/sign-requests/${id}/`)
    if (!expectOne(crowd, 'a look at Alpacon', shown, 200)) return
    const { status, crt_text: chain } = JSON.parse(shown.text)
    if (status !== 'signed') return
    const serial = ledger.issued(name, firstOf(chain))
    if (!revokes(crowd)) return
    ledger.asksRevocation(serial)
    const gone = await say('POST', '/revoke-requests/', { certificate: id, reason: 4 })
    if (expectOne(crowd, 'a revocation by Alpacon', gone, 201, 400, 409) && gone.status === 201)
      ledger.withdrawn(serial)
  }
}
