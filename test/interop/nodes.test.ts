import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Lego, legoOf, requireSuccess } from '../helpers/acmeClients.ts'
import { databases } from '../helpers/databases.ts'
import { serialOf } from '../helpers/openssl.ts'
import { run } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

/** Two processes of the server on one PostgreSQL, as two nodes behind one name. */
let one: ServerProcess
let other: ServerProcess
let lego: Lego
let close: () => Promise<void>

beforeAll(async () => {
  const postgres = await databases.find(({ name }) => name === 'postgres')?.openEmpty()
  if (!postgres) throw new Error('no PostgreSQL')
  close = postgres.close
  const env = { COUNTERSIGN_KEY_SECRET: 'the same on all nodes, and long enough' }
  one = await startServer({ databaseUrl: postgres.url, env })
  other = await startServer({ databaseUrl: postgres.url, env })
  lego = legoOf(one)
}, 120_000)
afterAll(async () => {
  await one.stop()
  await other.stop()
  await close()
})

it('what one node revokes, the other’s next OCSP answer and CRL say', async () => {
  for (const name of ['first.localhost', 'second.localhost', 'third.localhost']) {
    requireSuccess(await lego.run('run', [name]))
    const { cert, chain } = lego.files(name)
    const url = `${other.httpUrl}/ocsp/issuing`
    const asked = ['ocsp', '-issuer', chain, '-cert', cert, '-no_nonce', '-CAfile', one.rootPem, '-verify_other', chain]
    const ask = async () => (await run('openssl', [...asked, '-url', url], { timeout: 30_000 })).stdout
    // The second time it is an answer that the other node has kept.
    expect(await ask()).toContain(': good')
    expect(await ask()).toContain(': good')
    requireSuccess(await lego.run('revoke', [name], { args: ['--keep'] }))
    expect(await ask()).toContain(': revoked')
    const crl = Buffer.from(await (await fetch(`${other.httpUrl}/crl/issuing.crl`)).arrayBuffer())
    expect(crl.includes(Buffer.from(await serialOf(cert), 'hex'))).toBe(true)
  }
})
