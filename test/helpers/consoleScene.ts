import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { APIRequestContext, Browser, Page } from 'playwright-core'
import { newPerson, opensslRequest, setUp, visitor } from './browser.ts'
import { type ServerProcess, startServer } from './serverProcess.ts'

/** An installation at work, and people at their browsers. */
export interface Scene {
  server: ServerProcess
  admin: Page
  /** Orders, over the profiles `web` (two people approve) and `lab` (nobody does). */
  robin: Page
  mara: Page
  jonas: Page
  /** Of an administrator: for REST. */
  token: string
  robinToken: string
  folder: string
  /** Orders over REST by robin; answers the uuid of the certificate to be. */
  order(profile: string, name: string): Promise<string>
  stop(): Promise<void>
}

const setup = `organization: default
roles:
  - name: approvers
profiles:
  - name: web
    authority: issuing
    settings: { certificate: { validity: { default: 90d, max: 180d } } }
    protocols: { ra: { description: public web servers }, acme: {}, scep: {}, est: {} }
    rules:
      issue:
        - { name: nothing for competitors, when: 'identifiers.exists(i, i.value.endsWith(".rival.example"))', deny: names of others are not certified here }
        - { name: two people look, require: [{ roles: [approvers], quorum: 2, expires: 3d }, ], remember: 30d }
      revoke:
        - { name: one person looks, require: [{ roles: [approvers] }] }
  - name: lab
    authority: issuing
    settings: { certificate: { validity: { default: 20d, max: 40d } } }
    protocols: { ra: { description: "the laboratory: short and at once" } }
    rules:
      issue: [{ name: at once, auto: true }]
      renew: [{ name: at once, auto: true }]
      rekey: [{ name: at once, auto: true }]
      revoke: [{ name: at once, auto: true }]
`

/** Starts a server and brings it to work: people, profiles, some requests of each kind. */
export async function setScene(browser: Browser): Promise<Scene> {
  const server = await startServer()
  const folder = mkdtempSync(join(tmpdir(), 'countersign-scene-'))
  const admin = await visitor(browser, server)
  await setUp(admin, server.setupSecret)
  const token = await newToken(admin, 'scene')
  const api = admin.request
  const sent = await api.post('/api/v1/countersign/apply', {
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/yaml' },
    data: setup,
  })
  if (!sent.ok()) throw new Error(await sent.text())
  const robin = await newPerson(admin, browser, server, {
    name: 'robin',
    capabilities: ['read', 'create_cert', 'revoke_cert', 'export_private_key'],
  })
  const mara = await newPerson(admin, browser, server, { name: 'mara', capabilities: ['read', 'approve'] })
  const jonas = await newPerson(admin, browser, server, { name: 'jonas', capabilities: ['read', 'approve'] })
  for (const name of ['mara', 'jonas']) {
    await admin.goto(`/console/people/user/${name}`)
    await admin.getByLabel('Role', { exact: true }).fill('approvers')
    await admin.getByRole('button', { name: 'Add to the role' }).click()
  }
  const robinToken = await newToken(robin, 'orders')
  const order = (profile: string, name: string) => orderOver(api, robinToken, { folder, profile, name })
  return {
    server,
    admin,
    robin,
    mara,
    jonas,
    token,
    robinToken,
    folder,
    order,
    async stop() {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function newToken(page: Page, name: string): Promise<string> {
  await page.goto('/console/account/tokens/new')
  await page.locator('#main').getByLabel('Name', { exact: true }).fill(name)
  await page.getByRole('button', { name: 'Make the token' }).click()
  return (await page.locator('pre').first().innerText()).trim()
}

async function orderOver(
  api: APIRequestContext,
  token: string,
  { folder, profile, name }: { folder: string; profile: string; name: string },
): Promise<string> {
  const { csr } = opensslRequest(folder, name)
  const path = `/api/v2/operations/authorities/issuing/raProfiles/${profile}/certificates`
  const answered = await api.post(path, {
    headers: { Authorization: `Bearer ${token}` },
    data: { request: Buffer.from(csr).toString('base64'), attributes: [] },
  })
  if (!answered.ok()) throw new Error(`${answered.status()} ${await answered.text()}`)
  const { uuid } = (await answered.json()) as { uuid: string }
  return uuid
}

/** Requests and certificates as a busy week leaves them. */
export async function busyWeek(scene: Scene): Promise<{ waiting: string[]; issued: string[] }> {
  const waiting: string[] = []
  for (const name of ['shop.example.org', 'www.example.org', 'intranet.example.org', 'mail.example.org'])
    waiting.push(await scene.order('web', name))
  const issued: string[] = []
  for (const name of [
    'bench-1.lab.example.org',
    'bench-2.lab.example.org',
    'scope.lab.example.org',
    'oven.lab.example.org',
  ])
    issued.push(await scene.order('lab', name))
  await scene.order('web', 'shop.rival.example').catch(() => undefined)
  for (const person of [scene.mara, scene.jonas]) {
    await person.goto(`/console/requests/sign/${waiting[3]}`)
    await person.getByRole('button', { name: 'Approve', exact: true }).click()
  }
  await scene.mara.goto(`/console/requests/sign/${waiting[0]}`)
  await scene.mara.getByRole('button', { name: 'Approve', exact: true }).click()
  await scene.mara.goto(`/console/requests/sign/${waiting[2]}`)
  await scene.mara.getByLabel(/^Reason\b(?! of)/).fill('The intranet has a certificate until March: renew that one.')
  await scene.mara.getByRole('button', { name: 'Deny', exact: true }).click()
  await scene.robin.goto(`/console/certificates/${issued[3]}/revoke`)
  writeFileSync(join(scene.folder, 'note'), 'a busy week')
  return { waiting, issued }
}
