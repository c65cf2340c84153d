import { ra } from '../../protocols/ra/index.ts'
import type { Method } from '../../protocols/ra/operation.ts'
import type { Csr } from '../../src/pki/csr.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { type ManualAuthority, manualAuthority } from '../helpers/manualAuthority.ts'
import { auto, type Person, type Place, type RaApp, type Sent } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'
import { type Callers, createCallers } from './role.ts'

/** Like the profiles of the tests, with a person who decides. */
const people = [{ name: 'a person looks', require: [{ users: ['inner-approver'] }] }]
const none = { issue: [], renew: [], rekey: [], revoke: [], export: [] }

/** The first organization: what the operations are tried on. Everything in it has a name that begins with `inner-`. */
export interface Scene {
  app: RaApp
  callers: Callers & { none: Person; asker: Person; approver: Person }
  /** Nobody looks at orders over it. */
  open: Place
  /** A person decides on every order over it. */
  asks: Place
  /** Orders pass, revocations wait. */
  holds: Place
  /** A person decides on every order over it, and may have that remembered. */
  keeps: Place
  /** May approve, and is named beside `approver` by the rules of `inner-pairs`. */
  second: Person
  /** Its authority signs elsewhere. */
  manual: Place & { by: ManualAuthority }
  /** A CA that is none of ours. */
  elsewhere: ForeignCa
  /** Two requests, with a key each. */
  csr: Csr
  otherCsr: Csr
  /** A name that nothing has yet. */
  name(): string
  /** uuids that its administrator was shown. */
  ours: Set<string>
  /** What is made once, for calls that change nothing of it. */
  once<T>(what: string, make: () => Promise<T>): Promise<T>
  /** Calls as the superuser, or who is named, and answers the JSON of what must succeed. */
  // biome-ignore lint/suspicious/noExplicitAny: the schema of the operation has been held against it
  call(method: Method, path: string, body?: unknown, by?: Sent['by']): Promise<any>
  /** A fresh profile that nobody has ordered from. */
  profile(change?: Parameters<RaApp['save']>[1]): Promise<Place & { name: string }>
  /** An order of `asker` over a profile: its uuid. */
  order(place?: Place): Promise<string>
  /** An order of `asker` that is parked: its uuid. */
  draft(): Promise<string>
  /** What the authority of `manual` has signed for an order over it, as base64 of DER. */
  signedElsewhere(): Promise<string>
  /** A certificate of `asker` whose revocation he has asked for, and that waits: both uuids. */
  revocation(place?: Place): Promise<{ certificate: string; uuid: string }>
}

export async function createScene(app: RaApp): Promise<Scene> {
  const callers = await createCallers(app)
  const csr = await newCsr(['inner.test'], { subject: { CN: 'inner.test' } })
  let count = 0
  const kept = new Map<string, Promise<unknown>>()
  const call: Scene['call'] = async (method, path, body, by = app.admin) => {
    const answer = await app.call(method, path, { by, ...(body === undefined ? {} : { body }) })
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
    return answer.json
  }
  const name = () => {
    count += 1
    return `inner-${count}`
  }
  const open = await app.save('inner-open')
  const order: Scene['order'] = async (place = open) => {
    const body = { request: csr.der.toString('base64'), attributes: [] }
    return (await call('post', `${place.path}/certificates`, body, callers.asker)).uuid
  }
  const manual = await manualPlace(app)
  const second = await app.person('inner-second', { capabilities: ['approve'] })
  const pair = [{ users: ['inner-second', 'inner-approver'], quorum: 2 }]
  await app.save('inner-pairs', { rules: { ...none, issue: [{ name: 'two people', require: pair }] } })
  const holds = await app.save('inner-holds', { rules: { ...none, issue: auto, revoke: people } })
  return {
    app,
    callers,
    open,
    asks: await app.save('inner-asks', {
      rules: { issue: people, renew: people, rekey: people, revoke: people, export: [] },
    }),
    holds,
    keeps: await app.save('inner-keeps', { rules: { ...none, issue: [{ ...people[0], remember: '30d' }] } }),
    second,
    manual,
    elsewhere: await foreignCa(app.world.time.now, { name: 'Elsewhere' }),
    csr,
    otherCsr: await newCsr(['inner.test'], { subject: { CN: 'inner.test' } }),
    name,
    ours: new Set(),
    once<T>(what: string, make: () => Promise<T>) {
      const made = kept.get(what) ?? make()
      kept.set(what, made)
      return made as Promise<T>
    },
    call,
    async profile(change) {
      const own = name()
      return { ...(await app.save(own, change)), name: own }
    },
    order,
    async draft() {
      const body = { raProfileUuid: open.profile, request: csr.der.toString('base64') }
      return (await call('post', '/v1/certificates/create', body, callers.asker)).uuid
    },
    async signedElsewhere() {
      const { publicKey, identifiers, subject } = csr
      return (await manual.by.ca.issue({ publicKey, identifiers, subject })).der.toString('base64')
    },
    async revocation(place = holds) {
      const certificate = await order(place)
      await call('post', `${place.path}/certificates/${certificate}/revoke`, {}, callers.asker)
      const { requests } = await call('get', '/v1/countersign/revokeRequests?limit=1')
      return { certificate, uuid: requests[0].uuid }
    },
  }
}

async function manualPlace(app: RaApp): Promise<Scene['manual']> {
  const by = await manualAuthority(app.world)
  const rules = { issue: auto, renew: auto, rekey: auto, revoke: auto, export: [] }
  const { uuid } = await app.world.save('inner-manual', {
    authority: by.id,
    rules,
    protocols: { ra: ra.options.parse({}) },
  })
  const all = (await app.call('get', '/v1/authorities', { by: app.admin })).json
  const authority = all.find((one: { name: string }) => one.name === by.name)?.uuid
  return { by, authority, profile: uuid, path: `/v2/operations/authorities/${authority}/raProfiles/${uuid}` }
}
