import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type AcmeClient, expectStatus } from '../helpers/acmeClient.ts'
import { consoleVisitor } from './consoleVisitor.ts'
import { clientOf, type Grown } from './growthServer.ts'
import { type Issued, issue, prepare } from './issuance.ts'
import { ocspRequest } from './ocspCases.ts'
import { getRequest, play, postRequest } from './ocspClient.ts'
import type { Responder } from './responder.ts'
import { usageOf } from './usage.ts'

/** What is done, and CPU milliseconds of the server for each. */
export type Costs = Record<Work, number>
export const WORKS = ['issuance', 'poll', 'OCSP kept', 'OCSP fresh', 'list page', 'revocation'] as const
export type Work = (typeof WORKS)[number]

/** How often in a round. */
export interface Batch {
  issuances: number
  polls: number
  answers: number
  pages: number
}

const CLIENTS = 8
/** What a server does after the last answer belongs to it too: sealing the audit trail, keeping the lists. */
const AFTERMATH_MS = 1_500

/** Every work once, on one server. */
export async function round(server: Grown, responder: Responder, batch: Batch): Promise<Costs> {
  const { pid } = server
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => clientOf(server)))
  const issued: Issued[] = []
  const prepared = Array.from({ length: batch.issuances }, prepare)
  const each = async (count: number, work: () => Promise<unknown>) => (await cpuOf(pid, work)) / count
  const issuance = await each(batch.issuances, () =>
    shared(clients, prepared, async (client, next) => void issued.push(await issue(client, next, responder))),
  )
  const orders = Array.from({ length: batch.polls }, (_, n) => issued[n % issued.length]?.order ?? '')
  const poll = await each(batch.polls, () =>
    shared(clients, orders, async (client, url) => expectStatus(await client.post(url), 200)),
  )
  const kept = await each(batch.answers, () => answers(server, keptRequests(server, batch.answers)))
  const fresh = await each(batch.answers, () => answers(server, freshRequests(server, batch.answers)))
  const page = await each(batch.pages, () => pages(server, batch.pages))
  const revocation = await each(issued.length, () =>
    shared(clients, issued, async (client, { certificate }) => {
      const der = certificate.split('-----')[2]?.replaceAll('\n', '') ?? ''
      const asked = { certificate: Buffer.from(der, 'base64').toString('base64url'), reason: 4 }
      expectStatus(await client.post(client.directory.revokeCert ?? '', asked), 200)
    }),
  )
  for (const { close } of clients) close()
  return { issuance, poll, 'OCSP kept': kept, 'OCSP fresh': fresh, 'list page': page, revocation }
}

async function cpuOf(pid: number, work: () => Promise<unknown>): Promise<number> {
  const before = usageOf(pid)
  await work()
  await delay(AFTERMATH_MS)
  const after = usageOf(pid)
  return after.user + after.system - before.user - before.system
}

/** The clients share the tasks. */
async function shared<T>(
  clients: readonly { client: AcmeClient }[],
  tasks: readonly T[],
  work: (client: AcmeClient, task: T) => Promise<unknown>,
): Promise<void> {
  const left = [...tasks]
  await Promise.all(
    clients.map(async ({ client }) => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) await work(client, next)
    }),
  )
}

function* keptRequests({ hashes, serials }: Grown, count: number): Generator<Buffer> {
  const requests = serials.slice(0, 500).map((serial) => getRequest(pathOf(ocspRequest({ hashes, serial }))))
  for (let n = 0; n < count; n++) yield requests[n % requests.length] as Buffer
}

const pathOf = (request: Buffer) => `/ocsp/issuing/${encodeURIComponent(request.toString('base64'))}`

/** Each about another certificate, from all over the table. */
function* freshRequests({ hashes, serials }: Grown, count: number): Generator<Buffer> {
  for (let n = 0; n < count; n++) {
    const serial = serials[(n * 7919 + asked++) % serials.length] as string
    yield postRequest('/ocsp/issuing', ocspRequest({ hashes, serial, nonce: randomBytes(32) }))
  }
}
let asked = 0

async function answers({ httpPort: port }: Grown, requests: Iterator<Buffer>): Promise<void> {
  await play({ port }, requests, CLIENTS, (answer) => {
    if (!answer.toString('latin1', 0, 12).endsWith('200') || answer.length < 300)
      throw new Error(answer.toString('latin1'))
  })
}

/** First pages and pages far behind in turn, of all certificates and of those that contain a word. */
async function pages({ httpsPort, ca, token }: Grown, count: number): Promise<void> {
  const visitor = consoleVisitor(httpsPort, ca)
  for (let n = 0; n < count; n++) {
    const pageNumber = n % 2 === 0 ? 1 : 150
    const filters =
      n % 4 < 2
        ? []
        : [{ fieldSource: 'property', fieldIdentifier: 'COMMON_NAME', condition: 'CONTAINS', value: 'example.org' }]
    await visitor.rest(token, '/api/v1/certificates', { itemsPerPage: 50, pageNumber, filters })
  }
  visitor.leave()
}
