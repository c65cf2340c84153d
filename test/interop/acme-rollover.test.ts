import { copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireSuccess } from '../helpers/acmeClients.ts'
import { writeHook } from '../helpers/hooks.ts'
import { acme, byHttp, npmClientOf, orderBy } from '../helpers/npmAcme.ts'
import { succeed } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { uacmeOf } from '../helpers/uacme.ts'
import { expectGood, expectRevoked } from '../helpers/verdicts.ts'
import { serveWebFolder, type WebFolder } from '../helpers/webFolder.ts'

describe('account key rollover with real clients', () => {
  let server: ServerProcess
  let web: WebFolder

  beforeAll(async () => {
    server = await startServer()
    web = await serveWebFolder(join(server.workFolder, 'tokens'), server.http01Port)
  })
  afterAll(async () => {
    await web.close()
    await server.stop()
  })

  it('uacme changes from an EC key to one of RSA, and issues, renews and revokes with it', async () => {
    const uacme = uacmeOf(server)
    const file = `"${web.folder}/$4"`
    const cases = ['case "$1" in', `  begin) printf %s "$5" >${file} ;;`, `  *) rm -f ${file} ;;`, 'esac']
    const hook = writeHook(uacme.folder, 'by-http', '[ "$2" = http-01 ] || exit 1', ...cases)
    const issue = (...more: string[]) => uacme.run(['--hook', hook, ...more, 'issue', 'rolled.localhost'])
    requireSuccess(await uacme.run(['--type', 'EC', 'new']))
    requireSuccess(await issue())
    const serial = await expectGood(server, uacme.files('rolled.localhost'), 'rolled.localhost')

    const keys = join(uacme.folder, 'state/private')
    const old = readFileSync(join(keys, 'key.pem'), 'utf8')
    requireSuccess(await uacme.run(['--type', 'RSA', 'newkey']))
    expect(readFileSync(join(keys, 'key.pem'), 'utf8')).not.toBe(old)
    expect(await succeed('openssl', ['pkey', '-in', join(keys, 'key.pem'), '-noout', '-text'])).toContain('2048 bit')

    requireSuccess(await issue('--force'))
    const files = uacme.files('rolled.localhost')
    expect(await expectGood(server, files, 'rolled.localhost')).not.toBe(serial)
    requireSuccess(await uacme.revoke(files, 'account'))
    await expectRevoked(server, files)

    // The key that uacme has kept aside speaks for nobody any more.
    const kept = readdirSync(keys).find((name) => /^key-.+\.pem$/.test(name))
    if (kept === undefined) throw new Error(`uacme kept no old key in ${readdirSync(keys)}`)
    copyFileSync(join(keys, kept), join(keys, 'key.pem'))
    const { code, stderr } = await issue('--force')
    expect(code).not.toBe(0)
    expect(stderr).toContain('no account associated with')
    expect(existsSync(join(keys, 'newkey.pem'))).toBe(false)
  })

  it('uacme is refused a key that has an account', async () => {
    const [one, two] = [uacmeOf(server), uacmeOf(server)]
    requireSuccess(await one.run(['new']))
    requireSuccess(await two.run(['new']))
    const taken = join(two.folder, 'state/private/key.pem')
    copyFileSync(taken, join(one.folder, 'state/private/newkey.pem'))
    const { code, stderr } = await one.run(['newkey'])
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/409|conflict|in use|another account/i)
    requireSuccess(await one.run(['update', 'still@example.org']))
  })

  it('acme-client changes its key in the middle of an order', async () => {
    const client = await npmClientOf(server)
    await client.createAccount({ termsOfServiceAgreed: true })
    const url = client.getAccountUrl()
    const order = await client.createOrder({ identifiers: [{ type: 'dns', value: 'midway.localhost' }] })

    const accountKey = await acme.crypto.createPrivateRsaKey(2048)
    expect(await client.updateAccountKey(accountKey)).toMatchObject({ status: 'valid' })
    expect(client.getAccountUrl()).toBe(url)

    const [authorization] = await client.getAuthorizations(order)
    const challenge = authorization?.challenges.find(({ type }) => type === 'http-01')
    if (authorization === undefined || challenge === undefined) throw new Error('no http-01')
    const solver = byHttp(web.folder)
    await solver.put(authorization, challenge, await client.getChallengeKeyAuthorization(challenge))
    await client.completeChallenge(challenge)
    await client.waitForValidStatus(challenge)
    const [, csr] = await acme.crypto.createCsr({ altNames: ['midway.localhost'] })
    const chain = await client.getCertificate(await client.finalizeOrder(order, csr))
    expect(acme.crypto.readCertificateInfo(chain).domains.altNames).toEqual(['midway.localhost'])

    const found = await npmClientOf(server, { accountKey })
    await found.createAccount({ onlyReturnExisting: true })
    expect(found.getAccountUrl()).toBe(url)
    const files = await orderBy(found, { solver, names: ['after.localhost'], folder: server.workFolder })
    await expectGood(server, files, 'after.localhost')
  })

  it('acme-client is told whose account has the key already', async () => {
    const [one, two] = [await npmClientOf(server), await npmClientOf(server)]
    const taken = await acme.crypto.createPrivateEcdsaKey()
    const other = await npmClientOf(server, { accountKey: taken })
    for (const client of [one, two, other]) await client.createAccount({ termsOfServiceAgreed: true })
    await expect(one.updateAccountKey(taken)).rejects.toThrow(/account|key/i)
    expect(await other.updateAccount()).toMatchObject({ status: 'valid' })
  })
})
