import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import axe from 'axe-core'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { expect } from 'vitest'
import type { ServerProcess } from './serverProcess.ts'

const password = 'correct horse battery staple'

/** Debian's Chromium against a real server. Root has no user namespaces of its own to hide in: no sandbox there. */
export async function openBrowser(): Promise<Browser> {
  const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync)
  if (executablePath === undefined) throw new Error('there is no Chromium: on Debian `apt-get install chromium`')
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  return chromium.launch({ executablePath, args })
}

export interface Look {
  width?: number
  height?: number
  javaScriptEnabled?: boolean
  colorScheme?: 'light' | 'dark'
}

/** A browser of somebody's own: no cookie of others. What the console of the browser tells is an error of the page, and fails the test. */
export async function visitor(browser: Browser, server: ServerProcess, look: Look = {}): Promise<Page> {
  const { width = 1280, height = 900, ...more } = look
  const context = await browser.newContext({
    baseURL: server.baseUrl,
    // Chromium reads the trust of its user's NSS store, and no file.
    ignoreHTTPSErrors: true,
    viewport: { width, height },
    reducedMotion: 'reduce',
    acceptDownloads: true,
    ...more,
  })
  const page = await context.newPage()
  page.on('pageerror', (error) => faults(context).push(error.message))
  page.on('console', (message) => {
    const text = message.text()
    if (message.type() === 'error' && !/status of (?:4\d\d|503)/.test(text)) faults(context).push(text)
  })
  return page
}

const told = new WeakMap<BrowserContext, string[]>()
function faults(context: BrowserContext): string[] {
  const known = told.get(context) ?? []
  told.set(context, known)
  return known
}

/** Fails where a page had an error: a script that threw, or something that the content security policy forbade. */
export function expectNoFault(page: Page): void {
  expect(faults(page.context())).toEqual([])
}

/** Fails where axe-core finds anything in the page as it stands. */
export async function expectAccessible(page: Page): Promise<void> {
  expect(await axeFindings(page)).toEqual([])
}

/** What axe-core finds, by WCAG 2.0 to 2.2, A and AA, and its best practices. */
export async function axeFindings(page: Page): Promise<string[]> {
  // Not as a script of the page: its policy forbids those of others.
  const found: string[] = await page.evaluate(`(async () => {
    if (!window.axe) { ${axe.source} }
    const { violations } = await window.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    })
    return violations.map(({ id, help, nodes }) => id + ': ' + help + ' at ' + nodes.map(({ html }) => html.slice(0, 200)).join(' | '))
  })()`)
  return found.map((finding) => `${new URL(page.url()).pathname}: ${finding}`)
}

/** Sets the first password of a user by a setup link in this browser, which is then signed in. */
export async function setUp(page: Page, secret: string): Promise<void> {
  await page.goto('/console/setup')
  await page.getByLabel('Setup link').fill(secret)
  await page.getByLabel('New password').fill(password)
  await page.getByLabel('The same again').fill(password)
  await page.getByRole('button', { name: 'Set password and sign in' }).click()
  await page.waitForURL('**/console')
}

export async function signIn(page: Page, name: string): Promise<void> {
  await page.goto('/console/login')
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.waitForURL('**/console')
}

/** By the administrator's browser: a user with these capabilities, and a browser in which he is signed in. */
export async function newPerson(
  admin: Page,
  browser: Browser,
  server: ServerProcess,
  { name, capabilities = [], look = {} }: { name: string; capabilities?: string[]; look?: Look },
): Promise<Page> {
  await admin.goto('/console/people')
  await admin.locator('#main').getByLabel('Name', { exact: true }).fill(name)
  await admin.getByRole('button', { name: 'Add the user' }).click()
  for (const capability of capabilities) {
    await admin.getByLabel('Capability').selectOption(capability)
    await admin.getByRole('button', { name: 'Grant' }).click()
  }
  await admin.getByRole('button', { name: 'Make a setup link' }).click()
  const link = (await admin.locator('pre').first().innerText()).trim()
  const page = await visitor(browser, server, look)
  await setUp(page, new URL(link).hash.slice(1))
  return page
}

/** The text of a file that a click downloads. */
export async function downloaded(page: Page, click: () => Promise<void>): Promise<{ name: string; content: Buffer }> {
  const [download] = await Promise.all([page.waitForEvent('download'), click()])
  return { name: download.suggestedFilename(), content: readFileSync(await download.path()) }
}

/** A key and a request for it, by openssl. */
export function opensslRequest(folder: string, name: string): { key: string; csr: string } {
  const [key, csr] = [`${folder}/${name}.key`, `${folder}/${name}.csr`]
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  execFileSync('openssl', ['req', '-new', ...kind, '-keyout', key, '-out', csr, ...subject], { stdio: 'pipe' })
  return { key, csr: readFileSync(csr, 'utf8') }
}

/** Presses Tab until something of that name has the focus. */
export async function reachByTab(page: Page, name: string): Promise<void> {
  for (let presses = 0; presses < 80; presses++) {
    await page.keyboard.press('Tab')
    const text = String(await page.evaluate('document.activeElement?.innerText ?? ""'))
    if (text.trim() === name) return
  }
  throw new Error(`${name} is not reached by Tab`)
}
