import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { downloaded, opensslRequest } from './browser.ts'
import type { Scene } from './consoleScene.ts'

/** Opens what waits under that name on the list of requests. */
export async function openRequest(page: Page, name: string): Promise<void> {
  await page.goto('/console/requests/sign')
  await page.getByRole('link', { name }).first().click()
  await page.getByRole('heading', { level: 1, name }).waitFor()
}

/** The field for the reason of a decision. */
export const reason = (page: Page) => page.getByLabel(/^Reason\b(?! of)/)

/** Orders by a request that openssl has made, as somebody pastes it; answers where the browser is then. */
export async function paste(
  scene: Scene,
  page: Page,
  { profile, name }: { profile: string; name: string },
): Promise<string> {
  const { key, csr } = opensslRequest(scene.folder, name)
  await page.goto(`/console/new/${profile}`)
  await page.getByLabel('Certificate request').fill(csr)
  await page.getByRole('button', { name: 'Request certificate' }).click()
  await page.waitForURL(
    (url) => !url.pathname.startsWith(`/console/new/${profile}`) || url.pathname.endsWith('/result'),
  )
  return key
}

export interface Saved {
  cert: string
  chain: string
  fullchain: string
}

/** The certificate that the page offers with its chain, as files. */
export async function saveCertificate({ folder }: Scene, page: Page, name: string): Promise<Saved> {
  const whole = await downloaded(page, () => page.getByRole('link', { name: 'With its chain' }).first().click())
  const [leaf = '', ...issuers] = whole.content.toString().split(/(?<=-----END CERTIFICATE-----\n)/)
  const files = { cert: `${name}.crt`, chain: `${name}.chain`, fullchain: `${name}.full` }
  const paths = {
    cert: join(folder, files.cert),
    chain: join(folder, files.chain),
    fullchain: join(folder, files.fullchain),
  }
  writeFileSync(paths.cert, leaf)
  writeFileSync(paths.chain, issuers.join(''))
  writeFileSync(paths.fullchain, whole.content)
  return paths
}

/** What a client that trusts the root is told by a TLS server with this key and certificate. */
export async function overTls(
  { server: its }: Scene,
  { key, fullchain, name }: { key: string; fullchain: string; name: string },
): Promise<string> {
  const server = createServer({ key: readFileSync(key), cert: readFileSync(fullchain) }, (_, answer) =>
    answer.end('hello'),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const ca = readFileSync(its.rootPem)
  try {
    return await new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, servername: name, ca, agent: false }, (response) => {
        response.setEncoding('utf8').on('data', resolve)
      })
      asked.on('error', reject).end()
    })
  } finally {
    server.close()
  }
}

/** The six digits that the page shows. */
export async function digits(page: Page): Promise<string> {
  await page.getByLabel('Code').waitFor()
  const [code = ''] = /\b\d{3}\s?\d{3}\b/.exec(await page.locator('main').innerText()) ?? []
  return code.replace(/\s/g, '')
}
