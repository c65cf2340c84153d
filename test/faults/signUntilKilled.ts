// Run as a process of its own: signs one order and kills itself, without a chance to clean up, at the n-th look at the
// clock. Every step of issuing looks at the clock, so that counting n up walks the kill through all of them.

import { sign } from '../../src/core/sign.ts'
import { openDatabase } from '../../src/db/open.ts'
import { acmeAccount, newCsr, openWorld } from '../helpers/world.ts'

const [url = '', secret = '', ref = '', count = '0'] = process.argv.slice(2)
const world = await openWorld(openDatabase(url), Buffer.from(secret, 'hex'))
const csr = await newCsr([`${ref}.example.org`])
const profile = await world.profile()
let left = Number(count)
world.it.clock = () => {
  left -= 1
  if (left === 0) process.kill(process.pid, 'SIGKILL')
  return new Date()
}
const { request } = await sign(world.it, acmeAccount(), {
  profile,
  protocol: 'acme',
  action: 'issue',
  origin: { protocol: 'acme', ref },
  csr,
  identifiers: csr.identifiers,
  validated: csr.identifiers,
  refusal: 'throw',
})
process.stdout.write(request.status)
process.exit(0)
