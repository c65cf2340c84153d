// Run as a process of its own: signs one order, or submits one that it has parked, and kills itself, without a chance to clean up, at the n-th look at the
// clock. Every step of issuing looks at the clock, so that counting n up walks the kill through all of them.

import { park } from '../../src/core/issuance/park.ts'
import { sign } from '../../src/core/issuance/sign.ts'
import { submit } from '../../src/core/issuance/submit.ts'
import { openDatabase } from '../../src/db/open.ts'
import { acmeAccount, newCsr, openWorld } from '../helpers/world.ts'

const [url = '', secret = '', ref = '', count = '0', way = 'sign'] = process.argv.slice(2)
const world = await openWorld(openDatabase(url), Buffer.from(secret, 'hex'))
const csr = await newCsr([`${ref}.example.org`])
const profile = await world.profile()
const draft = {
  profile,
  protocol: 'acme',
  action: 'issue',
  origin: { protocol: 'acme', ref },
  csr,
  identifiers: csr.identifiers,
  validated: csr.identifiers,
  refusal: 'throw',
} as const
const parked = way === 'submit' ? (await park(world.it, acmeAccount(), draft)).request.id : undefined
let left = Number(count)
world.it.clock = () => {
  left -= 1
  if (left === 0) process.kill(process.pid, 'SIGKILL')
  return new Date()
}
const { request } =
  parked === undefined
    ? await sign(world.it, acmeAccount(), draft)
    : await submit(world.it, acmeAccount(), { ref: parked, change: {}, claim: undefined })
process.stdout.write(request.status)
process.exit(0)
