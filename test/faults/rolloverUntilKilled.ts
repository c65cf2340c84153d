// Run as a process of its own: rolls an authority over and kills itself, without a chance to clean up, at the n-th look at
// the clock, of which every step has one.

import { asRequester, findUser } from '../../src/core/identity/identity.ts'
import { openDatabase } from '../../src/db/open.ts'
import { openWorld } from '../helpers/world.ts'

const [url = '', secret = '', name = '', count = '0'] = process.argv.slice(2)
const world = await openWorld(openDatabase(url), Buffer.from(secret, 'hex'))
const user = await findUser(world.it.db, { name: 'admin' })
if (!user) throw new Error('no administrator')
const { admin } = world.core.as(asRequester(user))
let left = Number(count)
world.it.clock = () => {
  left -= 1
  if (left === 0) process.kill(process.pid, 'SIGKILL')
  return new Date()
}
await admin.prepareRollover(name, {})
const { status } = await admin.activateRollover(name)
process.stdout.write(status)
process.exit(0)
