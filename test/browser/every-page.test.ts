import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { axeFindings, expectNoFault, openBrowser } from '../helpers/browser.ts'
import { busyWeek, type Scene, setScene } from '../helpers/consoleScene.ts'

let browser: Browser
let scene: Scene
let paths: string[]
beforeAll(async () => {
  browser = await openBrowser()
  scene = await setScene(browser)
  const { waiting, issued } = await busyWeek(scene)
  paths = await everyPage(scene.admin, [
    ...waiting.slice(0, 3).map((uuid) => `/console/requests/sign/${uuid}`),
    `/console/certificates/${issued[0]}`,
    '/console/people/user/robin',
    '/console/profiles/web/rules',
    '/console/nowhere',
  ])
}, 180_000)
afterAll(async () => {
  await browser?.close()
  await scene?.stop()
})

/** What is reached from the overview by links: one page of each kind. */
async function everyPage(page: Page, more: readonly string[]): Promise<string[]> {
  const seen = new Map<string, string>()
  const waiting = ['/console', ...more]
  for (let path = waiting.shift(); path !== undefined && seen.size < 120; path = waiting.shift()) {
    const kind = kindOf(path)
    if (seen.has(kind)) continue
    seen.set(kind, path)
    const response = await page.goto(path)
    expect([path, response?.status()]).toEqual([path, path === '/console/nowhere' ? 404 : 200])
    const links: string[] = await page
      .locator('a[href^="/console"]:not([download])')
      .evaluateAll((anchors) =>
        anchors.map((anchor) =>
          String((anchor as unknown as { getAttribute(name: string): string }).getAttribute('href')),
        ),
      )
    waiting.push(
      ...links.filter(
        (link) => !/\.(?:pem|crt|cer|der|p7b|csv|pfx|csr)\b|download|format=/.test(link) && !link.startsWith('#'),
      ),
    )
  }
  return [...seen.values()]
}

/** Two paths that differ in a name or number show the same page. */
function kindOf(path: string): string {
  const [bare = ''] = path.split(/[?#]/)
  return bare
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, ':uuid')
    .replace(/\/user\/[^/]+/, '/user/:name')
    .replace(/\/(profiles|authorities|new)\/(?!new)[^/]+/, '/$1/:name')
}

async function findings(): Promise<string[]> {
  const found: string[] = []
  for (const path of paths) {
    await scene.admin.goto(path)
    found.push(...(await axeFindings(scene.admin)))
  }
  return found
}

describe('every page', () => {
  it('is reached by links', () => {
    expect(paths.length).toBeGreaterThan(30)
  })

  it('has nothing that axe-core finds, light', async () => {
    expect(await findings()).toEqual([])
    expectNoFault(scene.admin)
  })

  it('has nothing that axe-core finds, dark', async () => {
    await scene.admin.emulateMedia({ colorScheme: 'dark' })
    expect(await findings()).toEqual([])
    await scene.admin.emulateMedia({ colorScheme: 'light' })
  })

  it('fits a phone: it scrolls no way but down', async () => {
    await scene.admin.setViewportSize({ width: 360, height: 740 })
    const over: string[] = []
    for (const path of paths) {
      await scene.admin.goto(path)
      const pixels = Number(await scene.admin.evaluate('document.documentElement.scrollWidth - innerWidth'))
      if (pixels > 0) over.push(`${path}: ${pixels}`)
    }
    expect(over).toEqual([])
    expect(await axeFindings(scene.admin)).toEqual([])
    await scene.admin.setViewportSize({ width: 1280, height: 900 })
  })
})
