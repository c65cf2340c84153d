import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { readCrl } from '../../src/pki/crlReader.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { AcmeClient, expectStatus, type Json } from './acmeClient.ts'
import { httpsTransport } from './acmeHttps.ts'
import { readOcsp } from './ocspAnswer.ts'
import type { ServerProcess } from './serverProcess.ts'
import { ocspRequest } from './statusServer.ts'
import { until } from './until.ts'
import { newCsr } from './world.ts'

export interface IssuedCertificate {
  der: Buffer
  /** DER of the one above. */
  issuer: Buffer
  /** Lower-case hex, as openssl writes it without colons. */
  serial: string
}

/** Somebody who has certificates of a server, before and after whatever becomes of that. */
export interface Holder {
  issue(name: string): Promise<IssuedCertificate>
  revoke(certificate: IssuedCertificate): Promise<void>
  /** What OCSP says: good, revoked …, unknown. */
  status(certificate: IssuedCertificate): Promise<string>
  crl(): Promise<{ number: bigint; serials: string[] }>
  /** After a restore: an old nonce is of no use, and a new one goes with the refusal. */
  meetNewNonces(): Promise<void>
  close(): void
}

/** An ACME client with one account, which lasts as long as the test. */
export async function startHolder(server: ServerProcess): Promise<Holder> {
  const account = new AcmeClient(server.directory, httpsTransport({ ca: readFileSync(server.rootPem) }))
  await (await account.load()).register()
  const web = await responder(server.http01Port, account.key.thumbprint)
  const ocspUrl = await urlOfOcsp(server)
  return {
    async issue(name) {
      const order = await account.order([name])
      await account.answer(order, 'http-01')
      const { der } = await newCsr([name])
      await reach(account, order.url, 'ready')
      expectStatus(await account.finalize(order, der), 200)
      const { certificate } = await reach(account, order.url, 'valid')
      const [own, above] = pemDecode((await account.post(String(certificate))).text)
      if (!own || !above) throw new Error('there is no chain')
      return { der: own.der, issuer: above.der, serial: new X509Certificate(own.der).serialNumber.toLowerCase() }
    },
    async revoke({ der }) {
      expectStatus(
        await account.post(account.directory.revokeCert ?? '', { certificate: der.toString('base64url') }),
        200,
      )
    },
    async status({ issuer, serial }) {
      const asked = ocspRequest({ certificate: readCertificate(issuer) } as never, [serial])
      const answer = await fetch(ocspUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/ocsp-request' },
        body: new Uint8Array(asked),
      })
      return readOcsp(Buffer.from(await answer.arrayBuffer())).statuses[0] ?? ''
    },
    async crl() {
      const { stdout, stderr } = await server.cli(['authority', 'crl', 'issuing', '--json'])
      if (stdout === '') throw new Error(stderr)
      const [block] = pemDecode((JSON.parse(stdout) as { pem: string }).pem)
      const { number, entries } = readCrl(block?.der ?? Buffer.alloc(0))
      return { number: number ?? 0n, serials: entries.map(({ serial }) => serial) }
    },
    async meetNewNonces() {
      const refused = await account.post(account.directory.newOrder ?? '', { identifiers: [] })
      if (!refused.text.includes(':badNonce')) throw new Error(`an old nonce was taken: ${refused.text}`)
    },
    close: () => web.close(),
  }
}

async function urlOfOcsp(server: ServerProcess): Promise<string> {
  const { stdout, stderr } = await server.cli(['authority', 'show', 'issuing', '--json'])
  if (stdout === '') throw new Error(stderr)
  return (JSON.parse(stdout) as { ocspUrl: string }).ocspUrl
}

function reach(client: AcmeClient, url: string, status: string): Promise<Json> {
  return until(`an order that is ${status}`, async () => {
    const { json } = expectStatus(await client.post(url), 200)
    if (json.status === 'invalid') throw new Error(JSON.stringify(json))
    return json.status === status ? json : undefined
  })
}

function responder(port: number, thumbprint: string): Promise<Server> {
  const server = createServer((request, response) => {
    response.end(`${request.url?.split('/').at(-1)}.${thumbprint}`)
  })
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)))
}

/** A file with a passphrase where the command line runs; answers its name. */
export function passphraseFile(server: ServerProcess, text = 'correct horse battery'): string {
  const name = `passphrase-${text.length}`
  writeFileSync(join(server.workFolder, name), `${text}\n`, { mode: 0o600 })
  return name
}
