import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

let server: ServerProcess
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-crl-folder-'))
  const script = join(folder, 'put')
  writeFileSync(script, `#!/bin/sh\necho "$CRL_AUTHORITY $CRL_URL" >> "${join(folder, 'log')}"\n`, { mode: 0o755 })
  server = await startServer({ env: { COUNTERSIGN_CRL_FOLDER: join(folder, 'web'), COUNTERSIGN_CRL_COMMAND: script } })
})
afterAll(async () => {
  await server?.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('a server that starts writes its CRLs to the folder and hands them to the command', async () => {
  const file = join(folder, 'web', 'issuing.crl')
  await expect
    .poll(() => existsSync(file) && existsSync(join(folder, 'web', 'root.crl')), { timeout: 20_000 })
    .toBe(true)
  const served = Buffer.from(await (await fetch(`${server.httpUrl}/crl/issuing.crl`)).arrayBuffer())
  expect(readFileSync(file)).toEqual(served)
  const log = () => (existsSync(join(folder, 'log')) ? readFileSync(join(folder, 'log'), 'utf8') : '')
  await expect.poll(log, { timeout: 20_000 }).toContain(`issuing ${server.httpUrl}/crl/issuing/`)
})
