import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, it } from 'vitest'
import { expectNoFault, openBrowser, setUp, visitor } from '../helpers/browser.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

let server: ServerProcess
let browser: Browser
beforeAll(async () => {
  server = await startServer()
  browser = await openBrowser()
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

it('many windows on what is live leave the server to be asked, and all of them are told', async () => {
  const first = await visitor(browser, server)
  await setUp(first, server.setupSecret)
  const open = async (): Promise<Page> => {
    const page = await first.context().newPage()
    await page.goto('/console/discovery', { waitUntil: 'load', timeout: 20_000 })
    return page
  }
  const windows: Page[] = []
  for (let n = 0; n < 8; n++) windows.push(await open())
  const last = await open()
  await last.getByLabel('Name', { exact: true }).fill('branch office')
  await last.getByLabel('Where').fill('127.0.0.1:9')
  await last.getByRole('button', { name: 'Add it' }).click()
  await last.waitForURL(/discovery\/[0-9a-f-]{36}$/)
  for (const page of windows) await page.getByRole('link', { name: 'branch office' }).waitFor({ timeout: 20_000 })
  // The window that was told for all goes: another takes its place.
  await windows[0]?.close()
  await last.goto('/console/discovery')
  await last.getByLabel('Name', { exact: true }).fill('data centre')
  await last.getByLabel('Where').fill('127.0.0.1:9')
  await last.getByRole('button', { name: 'Add it' }).click()
  await last.waitForURL(/discovery\/[0-9a-f-]{36}$/)
  for (const page of windows.slice(1))
    await page.getByRole('link', { name: 'data centre' }).waitFor({ timeout: 20_000 })
  expectNoFault(first)
})
