import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CliInstallation, startInstallation } from '../helpers/installation.ts'

interface Rollover {
  status: string
  startsAt: string
  next: { serial: string; notAfter: string } | null
  newWithOld: string | null
}

let at: CliInstallation
beforeAll(async () => {
  at = await startInstallation()
})
afterAll(() => at?.server.stop())

const line = (code: number, text: RegExp) => ({ code, stderr: expect.stringMatching(text) })

describe('authority rollover', () => {
  test('show says that there was none, and prepare what becomes of it', async () => {
    expect(await at.cli('authority rollover show issuing')).toMatchObject(line(3, /no rollover of issuing/))
    const { code, stdout } = await at.cli('authority rollover prepare issuing --lead 7d --validity 2y')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^Rollover +prepared$/m)
    expect(stdout).toMatch(/^Next +[0-9a-f]{32}, P-256, until /m)
    expect(stdout.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
    const view = await at.json<Rollover>('authority rollover show issuing')
    expect(Date.parse(view.startsAt) - Date.now()).toBeGreaterThan(6.9 * 86_400_000)
    expect((await at.cli('doctor')).stdout).toMatch(/^ok {4}authority issuing: .*next key takes over on /m)
    expect(await at.cli('authority rollover prepare issuing')).toMatchObject({
      stderr: expect.stringMatching(/open already: activate or cancel/),
    })
  })

  test('activate lets it take over in the running server, and says when that is done already', async () => {
    const { next } = await at.json<Rollover>('authority rollover show issuing')
    expect((await at.cli('authority rollover activate issuing')).stdout).toMatch(/^Rollover +active$/m)
    expect(await at.json<{ serial: string }>('authority show issuing')).toMatchObject({ serial: next?.serial })
    expect((await at.cli('authority rollover activate issuing')).stderr).toMatch(/taken over already/)
    const id = await at.order('default', 'after.example.org')
    const { status } = await at.json<{ status: string }>(`request show ${id}`)
    expect(status).toBe('signed')
  })

  test('of a root prints the link certificates; cancel says what stays', async () => {
    const view = await at
      .json<Rollover>('authority rollover prepare root --start 2999-01-01T00:00:00Z')
      .catch(() => undefined)
    expect(view).toBeUndefined()
    const { stdout } = await at.cli('authority rollover prepare root')
    expect(stdout).toMatch(/New with old:\n-----BEGIN CERTIFICATE/)
    expect(stdout).toMatch(/Old with new:\n-----BEGIN CERTIFICATE/)
    const canceled = await at.cli('authority rollover cancel root')
    expect(canceled.stdout).toMatch(/^Rollover +canceled$/m)
    expect(canceled.stderr).toMatch(/is good until it ends/)
  })

  test('of an authority that signs elsewhere wants its next certificate', async () => {
    await at.openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'off.key'],
      ...['-out', 'off.pem', '-subj', '/CN=Offline', '-days', '300'],
    )
    await at.cli('authority add-manual offline --pem off.pem')
    expect((await at.cli('authority rollover prepare offline')).stderr).toMatch(/give the certificate as PEM/)
    expect((await at.cli('authority rollover prepare offline --pem off.pem')).stderr).toMatch(/has now/)
    await at.openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-nodes', '-keyout', 'off2.key'],
      ...['-out', 'off2.pem', '-subj', '/CN=Offline', '-days', '900'],
    )
    expect((await at.cli('authority rollover prepare offline --pem off2.pem')).stdout).toMatch(/^Rollover +prepared$/m)
    expect((await at.cli('authority rollover activate offline')).stdout).toMatch(/^Now +[0-9a-f]+, P-384/m)
  })
})
