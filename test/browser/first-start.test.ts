import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectAccessible, expectNoFault, openBrowser, reachByTab, visitor } from '../helpers/browser.ts'
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

describe('the first start', () => {
  it('leads by the printed link to an administrator, in a minute', async () => {
    const [, link = ''] = /(https:\S+\/console\/setup#\S+)/.exec(server.output().stdout) ?? []
    const page = await visitor(browser, server)
    await page.goto(link)
    expect(await page.getByLabel('Setup link').inputValue()).toBe(server.setupSecret)
    expect(page.url(), 'the secret leaves the address').not.toContain(server.setupSecret)
    await expectAccessible(page)
    await page.getByLabel('New password').fill('correct horse battery staple')
    await page.getByLabel('The same again').fill('correct horse battery staple')
    await page.getByRole('button', { name: 'Set password and sign in' }).click()
    await page.waitForURL('**/console')
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('Overview')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL('**/console/login')
    await page.goto('/console/audit')
    expect(page.url()).toContain('/console/login?next=')
    await page.getByLabel('Name').fill('admin')
    await page.getByLabel('Password').fill('wrong')
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await expectAccessible(page)
    expect(await page.getByRole('alert').innerText()).toContain('The name or the password is wrong')
    await page.getByLabel('Password').fill('correct horse battery staple')
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.waitForURL('**/console/audit')
    expectNoFault(page)
  })

  it('goes by keyboard alone', async () => {
    const page = await visitor(browser, server)
    await page.goto('/console/login')
    // The field that has the focus says where one is.
    await page.keyboard.type('admin')
    await page.keyboard.press('Tab')
    await page.keyboard.type('correct horse battery staple')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/console')
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.innerText')).toBe('Skip to content')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('main')
    await page.goto('/console')
    await reachByTab(page, 'Certificates')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/console/certificates')
    await reachByTab(page, 'Sign out')
    const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineWidth')
    expect(Number.parseFloat(String(outline)), 'the focus shows').toBeGreaterThanOrEqual(2)
    await page.keyboard.press('Enter')
    await page.waitForURL('**/console/login')
  })

  it('goes without scripts', async () => {
    const page = await visitor(browser, server, { javaScriptEnabled: false })
    await page.goto('/console/login')
    await page.getByLabel('Name').fill('admin')
    await page.getByLabel('Password').fill('correct horse battery staple')
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.waitForURL('**/console')
    await page.getByRole('link', { name: 'People' }).click()
    await page.locator('#main').getByLabel('Name', { exact: true }).fill('scriptless')
    await page.getByRole('button', { name: 'Add the user' }).click()
    expect(await page.getByRole('status').innerText()).toContain('scriptless is added')
    await page.getByRole('button', { name: 'Make a setup link' }).click()
    expect(await page.locator('pre').innerText()).toContain('/console/setup#')
  })
})
