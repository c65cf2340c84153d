import { setTimeout as delay } from 'node:timers/promises'
import { readCertificate } from '../../../src/pki/certificateReader.ts'
import { AcmeClient, type AcmeOrder, type Reply, type Transport } from '../../helpers/acmeClient.ts'
import { newCsr } from '../../helpers/world.ts'
import { type Client, type Crowd, firstOf, nameOf, revokes } from './crowd.ts'
import { Cut } from './line.ts'

/** `told`: the account whose challenges are to be answered. */
export function acmeClient(crowd: Crowd, told: (thumbprint: string) => void): Client {
  const { world, line, ledger } = crowd
  const transport: Transport = ({ method, url, headers, body }) =>
    line.ask(url, { method, headers, ...(body === undefined ? {} : { body }) })
  const client = new AcmeClient(`${world.server.baseUrl}/acme/crowd/directory`, transport)
  told(client.key.thumbprint)

  /** A nonce of the process before is answered with a new one, and the message sent again. */
  const say = (work: () => Promise<Reply>) =>
    line.again(async () => {
      const reply = await work()
      if (reply.status === 400 && reply.text.includes(':badNonce')) throw new Cut('a nonce of the process before')
      return reply
    })
  const post = (url: string, payload?: unknown) => say(() => client.post(url, payload))

  async function order(name: string): Promise<AcmeOrder | undefined> {
    const reply = await post(client.directory.newOrder ?? '', { identifiers: [{ type: 'dns', value: name }] })
    if (reply.status !== 201) return fault(`newOrder for ${name}`, reply)
    return { ...(reply.json as unknown as AcmeOrder), url: reply.headers.get('location') ?? '' }
  }

  function fault(what: string, { status, text }: Reply): undefined {
    ledger.faults.push(`${what} was answered with ${status}: ${text.slice(0, 300)}`)
    return undefined
  }

  async function prove(authorizations: string[]): Promise<void> {
    for (const url of authorizations) {
      const { json } = await post(url)
      const challenges = json.challenges as { type: string; url: string; status: string }[]
      const challenge = challenges.find(({ type }) => type === 'http-01')
      if (challenge?.status === 'pending') await post(challenge.url, {})
    }
  }

  async function revoke(der: Buffer): Promise<void> {
    const { serial } = readCertificate(der)
    ledger.asksRevocation(serial)
    const reply = await post(client.directory.revokeCert ?? '', { certificate: der.toString('base64url'), reason: 4 })
    if (reply.status === 200 || reply.text.includes(':alreadyRevoked')) ledger.withdrawn(serial)
    else fault('revokeCert', reply)
  }

  return async (number) => {
    if (client.kid === undefined) {
      await line.again(() => client.load())
      await say(() => client.register())
    }
    const name = nameOf('acme', number, 'localhost')
    const made = await order(name)
    if (!made) return
    const csr = (await newCsr([name])).der.toString('base64url')
    for (;;) {
      const reply = await post(made.url)
      if (reply.status !== 200) return fault(`the order of ${name}`, reply)
      const { status, certificate } = reply.json
      if (status === 'pending') await prove(made.authorizations)
      else if (status === 'ready') {
        const finalized = await post(made.finalize, { csr })
        if (finalized.status === 200) ledger.accepted('acme', name)
        // 403: it was finalized by the message whose answer was cut off.
        else if (finalized.status !== 403) return fault(`finalize of ${name}`, finalized)
      } else if (status === 'valid') {
        const chain = await post(String(certificate))
        if (chain.status !== 200) return fault(`the certificate of ${name}`, chain)
        const der = firstOf(chain.text)
        ledger.issued(name, der)
        if (revokes(crowd)) await revoke(der)
        return
      } else if (status !== 'processing') return fault(`the order of ${name}`, reply)
      await delay(status === 'processing' ? 200 : 30)
    }
  }
}
