import { setTimeout as delay } from 'node:timers/promises'
import { readCertsOnly } from '../../../src/pki/certsOnly.ts'
import type { Party } from '../../helpers/cms.ts'
import { csrOf, device, issuerAndSubject, readReply, scepMessage } from '../../helpers/scepClient.ts'
import { newCsr } from '../../helpers/world.ts'
import { type Client, type Crowd, expectOne, nameOf } from './crowd.ts'

export function estClient(crowd: Crowd): Client {
  const { world, line, ledger } = crowd
  const url = `${world.server.mtlsBaseUrl}/.well-known/est/crowd/simpleenroll`
  const headers = { authorization: `Bearer ${world.operator}`, 'content-type': 'application/pkcs10' }
  return async (number) => {
    const name = nameOf('est', number)
    const body = (await newCsr([name])).der.toString('base64')
    for (;;) {
      const answered = await line.insist(url, { method: 'POST', headers, body })
      if (!expectOne(crowd, 'an order by EST', answered, 200, 202)) return
      ledger.accepted('est', name)
      if (answered.status === 200) {
        const [der] = readCertsOnly(Buffer.from(answered.text, 'base64')).certificates
        ledger.issued(name, der ?? Buffer.alloc(0))
        return
      }
      await delay(200)
    }
  }
}

export function scepClient(crowd: Crowd): Client {
  const { world, line, ledger } = crowd
  const url = `${world.server.baseUrl}/scep/crowd`
  const by: Party = device('crowd')
  let to: Buffer | undefined
  return async (number) => {
    to ??= readCertsOnly((await line.insist(`${url}?operation=GetCACert`)).body).certificates[0] ?? Buffer.alloc(0)
    const name = nameOf('scep', number)
    const recipient = to
    const post = async (message: Parameters<typeof scepMessage>[0]) => {
      const headers = { 'content-type': 'application/x-pki-message' }
      const body = await scepMessage(message)
      const answered = await line.insist(`${url}?operation=PKIOperation`, { method: 'POST', headers, body })
      if (!expectOne(crowd, 'a SCEP message', answered, 200)) return undefined
      return readReply(answered.body, by)
    }
    const common = { by, to: recipient, transactionId: name }
    const data = csrOf(by, { subject: { CN: name }, dns: [name] })
    let reply = await post({ ...common, data })
    while (reply?.pkiStatus === 'PENDING') {
      ledger.accepted('scep', name)
      await delay(200)
      reply = await post({ ...common, type: 'CertPoll', data: issuerAndSubject({ CN: 'crowd' }, { CN: name }) })
    }
    if (!reply) return
    if (reply.pkiStatus !== 'SUCCESS' || !reply.certificates[0]) {
      ledger.faults.push(`SCEP answered ${reply.pkiStatus} ${reply.failInfo} ${reply.text} to ${name}`)
      return
    }
    ledger.accepted('scep', name)
    ledger.issued(name, reply.certificates[0])
  }
}
