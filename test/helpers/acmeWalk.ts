import { acmeServer } from '../../protocols/acme/server.ts'
import { expireWaiting } from '../../src/core/approval/expire.ts'
import { Failure } from '../../src/core/failure.ts'
import { asRequester, createUser, type User } from '../../src/core/identity/identity.ts'
import { system } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { writeCsr } from '../../src/pki/csrWriter.ts'
import { signerFor } from '../../src/pki/signer.ts'
import type { AcmeApp } from './acmeApp.ts'
import { AcmeClient, type Json, type Reply } from './acmeClient.ts'
import { type ClientKey, newKey } from './acmeKeys.ts'
import { type AcmeModel, newModel, type Op, pass } from './acmeModel.ts'

/** The server's side of a walk: what the model says happens is done, by two clients and a person who approves. */
export interface AcmeWalk {
  model: AcmeModel
  clients: AcmeClient[]
  /** Of the certificates, by the order's URL. */
  keys: Map<string, ClientKey>
  /** All of them at the same time; one reply each. */
  perform(ops: readonly Op[]): Promise<Reply[]>
  /** Gives a client a new account. */
  register(client: number): Promise<void>
  /** Gives the account of a client a new key (section 7.3.5). */
  changeKey(client: number): Promise<Reply>
  /** Lets time pass, and what the server does by itself be done. */
  pass(milliseconds: number): Promise<void>
}

/** Where rules see the key, they decide at finalize; everything else is granted. The model knows no limits: a long walk comes to failures enough for one. */
export async function prepareWalks({ world }: AcmeApp): Promise<User> {
  const when = 'identifiers.exists(i, i.value.startsWith("ask")) && key.algorithm != ""'
  const issue = [
    { name: 'people', when, require: [{ users: ['approver'], expires: '2h' }] },
    { name: 'else', auto: true },
  ]
  const limits = { failedValidations: 'off', failuresUntilPause: 'off' }
  const options = { orderLifetime: '4h', authorizationLifetime: '3h', authorizationReuse: '2h', limits }
  const { rules, organizationId } = await world.profile()
  await world.save('walk', { rules: { ...rules, issue }, protocols: { acme: options } })
  const at = world.time.now
  return transaction(world.it.db, (db) =>
    createUser(db, { actor: system('test'), at }, { name: 'approver', organizationId }),
  )
}

export async function startWalk(app: AcmeApp, approver: User, names: readonly string[]): Promise<AcmeWalk> {
  const { time, it } = app.world
  time.now = new Date(Math.ceil(time.now.getTime() / 1000) * 1000)
  const model = newModel(time.now.getTime(), names)
  const clients: AcmeClient[] = []
  const walk: AcmeWalk = {
    model,
    clients,
    keys: new Map(),
    async perform(ops) {
      const sent: (() => Promise<Reply>)[] = []
      for (const op of ops) sent.push(await prepare({ app, walk, approver }, op))
      return Promise.all(sent.map((send) => send()))
    },
    async register(at) {
      const client = await app.client({ profile: 'walk' })
      clients[at] = client
      model.clients[at] = model.accounts.push({ url: client.kid ?? '', status: 'valid' }) - 1
    },
    async changeKey(at) {
      const client = clientAt(walk, at)
      const key = newKey()
      const reply = await rollOver(app, client, key)
      if (reply.status === 200) {
        const next = await new AcmeClient(client.directoryUrl, app.transport, key).load()
        next.kid = client.kid
        clients[at] = next
      }
      return reply
    },
    async pass(milliseconds) {
      time.pass(milliseconds)
      await expireWaiting(it.db, time.now)
      await app.runJobs()
      pass(model, milliseconds)
    },
  }
  for (const at of [0, 1]) await walk.register(at)
  return walk
}

interface Prepared {
  app: AcmeApp
  walk: AcmeWalk
  approver: User
}

/** All that must be known before; what is returned sends one request. */
async function prepare(prepared: Prepared, op: Op): Promise<() => Promise<Reply>> {
  const { app, walk } = prepared
  if (op.kind === 'vote') return votes(prepared, op)
  if (op.kind === 'revoke') return revokes(app, walk, op)
  return signed(app, clientAt(walk, op.client), await requestOf(app, walk, op))
}

async function requestOf(app: AcmeApp, walk: AcmeWalk, op: Exclude<Op, { kind: 'vote' | 'revoke' }>): Promise<Signed> {
  const { orders, authorizations } = walk.model
  const { kid, directory } = clientAt(walk, op.client)
  switch (op.kind) {
    case 'newOrder':
      return { url: directory.newOrder, payload: { identifiers: op.names.map((value) => ({ type: 'dns', value })) } }
    case 'readOrder':
      return { url: orders[op.order]?.url, payload: '' }
    case 'readCertificate':
      return { url: orders[op.order]?.certificate, payload: '' }
    case 'finalize':
      return { url: `${orders[op.order]?.url}/finalize`, payload: { csr: await csrOf(walk, op) } }
    case 'readAuthorization':
      return { url: authorizations[op.authorization]?.url, payload: '' }
    case 'deactivateAuthorization':
      return { url: authorizations[op.authorization]?.url, payload: { status: 'deactivated' } }
    case 'answer':
      return { url: await serve(app, walk, op.authorization), payload: {} }
    case 'deactivateAccount':
      return { url: kid, payload: { status: 'deactivated' } }
  }
}

function clientAt({ clients }: AcmeWalk, at: number): AcmeClient {
  const client = clients[at]
  if (!client) throw new Error(`there is no client ${at}`)
  return client
}

interface Signed {
  url: string | undefined
  payload: unknown
  key?: ClientKey
}

/** Each with a nonce of its own, so that all can be sent at once. */
async function signed(
  app: AcmeApp,
  client: AcmeClient,
  { url = '', payload, key }: Signed,
): Promise<() => Promise<Reply>> {
  const nonce = await acmeServer(app.host).nonces.issue()
  const body = await client.jws(url, payload, { header: { nonce }, ...(key ? { key } : {}) })
  return () => client.send(url, body)
}

/** Lets the name's web server answer as the model says when it is asked, and gives the challenge's URL. */
async function serve(app: AcmeApp, { model, clients }: AcmeWalk, at: number): Promise<string> {
  const authorization = model.authorizations[at]
  const url = authorization?.url ?? ''
  const owner = clients.find((_, client) => model.clients[client] === authorization?.owner)
  if (owner && authorization) {
    const { json } = await (await signed(app, owner, { url, payload: '' }))()
    const [challenge] = (json.challenges ?? []) as (Json & { token: string })[]
    const right = `${challenge?.token}.${owner.key.thumbprint}`
    const answer = async () => (model.truth[authorization.name] ? right : 'something else')
    if (challenge) app.pages.set(`/.well-known/acme-challenge/${challenge.token}`, answer)
  }
  return `${url.replace('/authz/', '/challenge/')}/http-01`
}

/** One key for all requests of an order, so that it does not matter which of several is taken. */
function keyOf({ model, keys }: AcmeWalk, at: number): ClientKey {
  const url = model.orders[at]?.url ?? ''
  const key = keys.get(url) ?? newKey()
  keys.set(url, key)
  return key
}

async function csrOf(walk: AcmeWalk, { order, csr }: Op & { kind: 'finalize' }): Promise<string> {
  if (csr === 'broken') return 'MAA'
  const names = csr === 'right' ? walk.model.orders[order]?.names : ['wrong.localhost']
  const identifiers = (names ?? []).map((value) => ({ type: 'dns' as const, value }))
  const der = await writeCsr({ subject: [], identifiers }, signerFor(keyOf(walk, order).privateKey))
  return der.toString('base64url')
}

async function revokes(app: AcmeApp, walk: AcmeWalk, op: Op & { kind: 'revoke' }): Promise<() => Promise<Reply>> {
  const der = await certificateOf(app, walk.model, op.order)
  const client = clientAt(walk, op.client === 'key' ? 0 : op.client)
  const reason = op.reason === undefined ? {} : { reason: op.reason }
  const payload = { certificate: der.toString('base64url'), ...reason }
  const key = op.client === 'key' ? { key: keyOf(walk, op.order) } : {}
  return signed(app, client, { url: client.directory.revokeCert, payload, ...key })
}

/** DER, whoever may read it. */
export async function certificateOf({ world }: AcmeApp, model: AcmeModel, at: number): Promise<Buffer> {
  const uuid = model.orders[at]?.certificate?.split('/').pop() ?? ''
  const found = await world.core.as(system('test')).findCertificate({ uuid })
  if (!found) throw new Error(`the certificate of order ${at} is not stored`)
  return found.der
}

/** A vote as if it were a request: 409 when there is nothing to decide any more. */
async function votes({ app, walk, approver }: Prepared, op: Op & { kind: 'vote' }): Promise<() => Promise<Reply>> {
  const { core } = app.world
  const ref = walk.model.orders[op.order]?.url.split('/').pop() ?? ''
  const request = await core.as(system('test')).findSignRequest({ protocol: 'acme', ref })
  const { approvals } = core.as(asRequester(approver))
  const reply = (status: number): Reply => ({ status, headers: new Map(), text: '', json: {} })
  return async () => {
    try {
      if (!request) return reply(409)
      const { hash } = await approvals.review('sign', request.id)
      const reason = op.approve ? {} : { reason: 'not this one' }
      await approvals.vote('sign', request.id, { verdict: op.approve ? 'approve' : 'deny', hash, ...reason })
      return reply(200)
    } catch (error) {
      if (error instanceof Failure && error.code === 'conflict') return reply(409)
      throw error
    }
  }
}

/** RFC 8555 section 7.3.5. */
async function rollOver(app: AcmeApp, client: AcmeClient, key: ClientKey): Promise<Reply> {
  const url = client.directory.keyChange ?? ''
  const inner = new AcmeClient(client.directoryUrl, client.transport, key)
  const payload = { account: client.kid, oldKey: client.key.jwk }
  const signedByNew = JSON.parse(await inner.jws(url, payload, { header: { nonce: undefined } })) as Json
  return (await signed(app, client, { url, payload: signedByNew }))()
}
