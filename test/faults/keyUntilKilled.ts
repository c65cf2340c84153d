// Run as a process of its own: rekeys a certificate by a new key of the keystore, and kills itself, without a chance to clean up, at the n-th look at the clock.

import { createCore } from '../../src/core/door.ts'
import { asRequester, findUser } from '../../src/core/identity/identity.ts'
import { openDatabase } from '../../src/db/open.ts'
import { openWorld } from '../helpers/world.ts'

const [url = '', secret = '', user = '', certificate = '', count = '0'] = process.argv.slice(2)
const { it, profile } = await openWorld(openDatabase(url), Buffer.from(secret, 'hex'))
const person = await findUser(it.db, Number(user))
if (!person) throw new Error('there is no such user')
const door = createCore(it, () => {}).as(asRequester(person))
const keys = await profile('keys')
let left = Number(count)
it.clock = () => {
  left -= 1
  if (left === 0) process.kill(process.pid, 'SIGKILL')
  return new Date()
}
const ref = { id: Number(certificate) }
const made = await door.keyPairs.successor(keys, ref, {})
const next = await door.successor(ref, 'rekey', made.csr)
await door.sign({ ...next, protocol: 'ra', refusal: 'store' }, made.claim)
process.exit(0)
