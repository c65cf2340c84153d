import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { expectAccessible, openBrowser, visitor } from '../helpers/browser.ts'
import { startProvider, type TestedProvider } from '../helpers/openidProvider.ts'
import { freePorts } from '../helpers/ports.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

let provider: TestedProvider
let server: ServerProcess
let browser: Browser
const folder = mkdtempSync(join(tmpdir(), 'countersign-openid-'))
beforeAll(async () => {
  const [port = 0] = await freePorts(1)
  provider = await startProvider(`https://localhost:${port}/api/v1/countersign/sessions/oidc/callback`)
  const { issuer, clientId, clientSecret } = provider
  const file = join(folder, 'countersign.yaml')
  writeFileSync(file, stringify({ oidc: { issuer, clientId, provision: { organization: 'default' } } }))
  const env = {
    COUNTERSIGN_HTTPS_PORT: String(port),
    COUNTERSIGN_CONFIG: file,
    COUNTERSIGN_OIDC_CLIENT_SECRET: clientSecret,
  }
  server = await startServer({ env })
  browser = await openBrowser()
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
  await provider?.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('signing in at an OpenID provider', () => {
  it('leads there and back to the page that was asked for', async () => {
    const page = await visitor(browser, server)
    await page.goto('/console/requests/sign')
    await expectAccessible(page)
    await page.getByRole('link', { name: 'Sign in with your organization’s account' }).click()
    await page.locator('input[name=login]').fill('olga')
    await page.locator('input[name=password]').fill('whatever')
    await page.locator('button[type=submit]').click()
    await page.locator('button[type=submit]').click()
    await page.waitForURL(`${server.baseUrl}/console/requests/sign`)
    expect(await page.locator('header').first().innerText()).toContain('olga')
    await page.getByRole('link', { name: 'olga' }).click()
    await page.getByText('You sign in with your organization’s account').waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL('**/console/login')
  })
})
