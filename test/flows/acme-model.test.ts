import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { User } from '../../src/core/identity/identity.ts'
import { type AcmeApp, createAcmeApp } from '../helpers/acmeApp.ts'
import type { Reply } from '../helpers/acmeClient.ts'
import { type AcmeModel, asksPeople, authorizationStatus, type Op, orderStatus, step } from '../helpers/acmeModel.ts'
import { type AcmeWalk, prepareWalks, startWalk } from '../helpers/acmeWalk.ts'
import { auditWalk } from '../helpers/acmeWalkAudit.ts'
import { databases } from '../helpers/databases.ts'

const names = ['one.localhost', 'two.localhost', 'ask.localhost']
const MINUTE = 60_000
/** For each database; after that, walks stand still. */
const TIME_LIMIT_MS = 9_000
let until = 0

/** Chosen before the walk; which of what is there by then it means is found out on the way. */
interface Choice {
  what: 'proceed' | Exclude<Op['kind'], 'vote'> | 'vote'
  client: number
  pick: number
  /** Of the names, and of variants of an operation. */
  bits: number
}

const weights: [number, Choice['what']][] = [
  [3, 'newOrder'],
  [16, 'proceed'],
  [3, 'answer'],
  [3, 'finalize'],
  [2, 'readOrder'],
  [1, 'readAuthorization'],
  [1, 'readCertificate'],
  [1, 'deactivateAuthorization'],
  [2, 'vote'],
  [3, 'revoke'],
]
const choiceOf = (whats: [number, Choice['what']][]) =>
  fc.record({
    what: fc.oneof(...whats.map(([weight, what]) => ({ weight, arbitrary: fc.constant(what) }))),
    client: fc.nat(1),
    pick: fc.nat(7),
    bits: fc.nat(15),
  })

/** The operation that a choice means now; undefined: there is nothing to do it to. */
function resolve(model: AcmeModel, { what, client, pick, bits }: Choice): Op | undefined {
  if (what === 'newOrder') return { kind: what, client, names: names.filter((_, at) => ((bits % 7) + 1) & (1 << at)) }
  if (what === 'deactivateAccount') return { kind: what, client }
  // Those that came last are the most worth looking at.
  const order = model.orders.length - 1 - (pick % Math.min(model.orders.length, 4))
  const own = model.orders[order]
  if (!own) return undefined
  const authorization = own.authorizations[bits % own.authorizations.length] ?? -1
  switch (what) {
    case 'proceed':
      return next(model, order)
    case 'finalize':
      return { kind: what, client, order, csr: (['right', 'right', 'wrong', 'broken'] as const)[bits % 4] ?? 'right' }
    case 'vote':
      return own.decision === undefined || !asksPeople(own.names)
        ? undefined
        : { kind: what, order, approve: bits % 3 > 0 }
    case 'readOrder':
      return { kind: what, client, order }
    case 'answer':
    case 'readAuthorization':
    case 'deactivateAuthorization':
      return { kind: what, client, authorization }
    case 'readCertificate':
      return own.certificate === undefined ? undefined : { kind: what, client, order }
    case 'revoke': {
      if (own.certificate === undefined) return undefined
      const reason = [{}, { reason: 1 }, { reason: 4 }, {}][bits >> 2]
      return { kind: what, client: bits % 4 === 0 ? 'key' : client, order, ...reason }
    }
  }
}

/** What brings an order on its way. */
function next(model: AcmeModel, order: number): Op | undefined {
  const own = model.orders[order]
  const client = own ? model.clients.indexOf(own.owner) : -1
  if (!own || client < 0) return undefined
  switch (orderStatus(model, own)) {
    case 'pending': {
      const open = own.authorizations.find((at) => {
        const authorization = model.authorizations[at]
        return authorization && authorizationStatus(authorization, model.now) === 'pending'
      })
      return open === undefined ? undefined : { kind: 'answer', client, authorization: open }
    }
    case 'ready':
      return { kind: 'finalize', client, order, csr: 'right' }
    case 'processing':
      return { kind: 'vote', order, approve: true }
    case 'valid':
    case 'invalid':
      return { kind: 'readOrder', client, order }
  }
}

/** Requests at the same time: some order of them, one after the other, must explain all the answers. */
function explain(model: AcmeModel, done: readonly { op: Op; reply: Reply }[]): void {
  const faults: string[] = []
  for (const order of permutations(done)) {
    const attempt = structuredClone(model)
    const fault = order.map(({ op, reply }) => step(attempt, op, reply)).find(Boolean)
    if (fault === undefined) {
      Object.assign(model, attempt)
      return
    }
    faults.push(`${order.map(({ op }) => op.kind).join(', ')}: ${fault}`)
  }
  throw new Error(`no order of ${JSON.stringify(done.map(({ op }) => op))} explains the answers:\n${faults.join('\n')}`)
}

function permutations<T>(list: readonly T[]): T[][] {
  if (list.length < 2) return [[...list]]
  return list.flatMap((first, at) => permutations(list.toSpliced(at, 1)).map((rest) => [first, ...rest]))
}

type Command = fc.AsyncCommand<AcmeModel, AcmeWalk>

const command = (text: string, run: (walk: AcmeWalk) => Promise<void>): Command => ({
  check: () => true,
  run: async (_, walk) => {
    if (Date.now() < until) await run(walk)
  },
  toString: () => text,
})

const together = (choices: Choice[]): Command => command(JSON.stringify(choices), (walk) => act(walk, choices))

/** Each name proved, finalized, approved. */
const toTheEnd = (pick: number): Command =>
  command(`order ${pick} is brought to its end`, async (walk) => {
    for (let left = names.length + 2; left > 0; left--) await act(walk, [{ what: 'proceed', client: 0, pick, bits: 0 }])
  })

async function act(walk: AcmeWalk, choices: Choice[]): Promise<void> {
  const { model } = walk
  model.batch++
  const ops = choices.flatMap((choice) => resolve(model, choice) ?? [])
  const replies = await walk.perform(ops)
  const done = ops.flatMap((op, at) => {
    const reply = replies[at]
    return reply ? [{ op, reply }] : []
  })
  explain(model, done)
  // What an account that has ended waits for is withdrawn by a job.
  if (ops.some(({ kind }) => kind === 'deactivateAccount')) await walk.pass(0)
}

const ends = (model: AcmeModel, client: number) => model.accounts[model.clients[client] ?? -1]?.status === 'deactivated'

const often = <T>(times: number, arbitrary: T): T[] => new Array(times).fill(arbitrary)

const commands = [
  ...often(
    8,
    choiceOf(weights).map((choice) => together([choice])),
  ),
  ...often(4, fc.array(choiceOf([...weights, [1, 'deactivateAccount']]), { minLength: 2, maxLength: 4 }).map(together)),
  ...often(2, fc.nat(3).map(toTheEnd)),
  // The same, several times at once.
  ...often(
    3,
    choiceOf(weights).map((choice) => together([choice, choice, { ...choice, client: 1 - choice.client }])),
  ),
  fc
    .constantFrom(1, 1, 1, 30, 56, 61, 119, 121, 181, 241)
    .map((minutes) => command(`${minutes} minutes pass`, (walk) => walk.pass(minutes * MINUTE))),
  fc.constantFrom(...names).map((name) =>
    command(`${name} changes`, async ({ model }) => {
      model.truth[name] = !model.truth[name]
    }),
  ),
  fc.nat(1).map((client) =>
    command(`${client} begins anew or changes its key`, async (walk) => {
      if (ends(walk.model, client)) await walk.register(client)
      else expect((await walk.changeKey(client)).status).toBe(200)
    }),
  ),
]

describe.each(databases)('random walks of two ACME clients on $name', ({ open }) => {
  let opened: Awaited<ReturnType<typeof open>>
  let acme: AcmeApp
  let approver: User
  beforeAll(async () => {
    opened = await open()
    acme = await createAcmeApp(opened.db)
    approver = await prepareWalks(acme)
  })
  afterAll(async () => {
    await acme.close()
    await opened.close()
  })

  it('agree with a small model of RFC 8555 section 7.1.6, whatever is done at the same time', async () => {
    until = Date.now() + TIME_LIMIT_MS
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { size: 'max', maxCommands: 60 }), async (walk) => {
        if (Date.now() >= until) return
        const real = await startWalk(acme, approver, names)
        await fc.asyncModelRun(() => ({ model: real.model, real }), walk)
        await auditWalk(acme, real)
      }),
      { numRuns: 200 },
    )
  })
})
