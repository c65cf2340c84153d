// Makes the pictures of docs/console from a server at work: npm run docs:console.
import { mkdirSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { openBrowser, opensslRequest } from '../helpers/browser.ts'
import { busyWeek, setScene } from '../helpers/consoleScene.ts'

const folder = 'docs/console'

interface Picture {
  name: string
  page: Page
  path: string
  dark?: boolean
  phone?: boolean
}

async function take({ name, page, path, dark, phone }: Picture): Promise<void> {
  await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' })
  await page.setViewportSize(phone ? { width: 390, height: 844 } : { width: 1280, height: 860 })
  if (path !== '') await page.goto(path)
  await page.screenshot({ path: `${folder}/${name}.png` })
  process.stdout.write(`${folder}/${name}.png\n`)
}

const browser = await openBrowser()
const scene = await setScene(browser)
try {
  mkdirSync(folder, { recursive: true })
  const { waiting, issued } = await busyWeek(scene)
  const { admin, mara, jonas, robin } = scene
  await take({ name: 'overview', page: admin, path: '/console' })
  await take({ name: 'requests', page: mara, path: '/console/requests/sign' })
  await take({ name: 'decide', page: jonas, path: `/console/requests/sign/${waiting[0]}` })
  await take({ name: 'decide-phone', page: jonas, path: `/console/requests/sign/${waiting[0]}`, phone: true })
  await take({ name: 'certificates', page: admin, path: '/console/certificates' })
  await take({ name: 'certificate-dark', page: admin, path: `/console/certificates/${issued[0]}`, dark: true })
  await robin.goto(`/console/certificates/${issued[1]}`)
  await robin.getByRole('button', { name: 'Revoke certificate' }).click()
  await take({ name: 'revoke', page: robin, path: '' })
  await robin.goto('/console/new/web')
  await robin.getByLabel('Certificate request').fill(opensslRequest(scene.folder, 'news.example.org').csr)
  await robin.getByRole('button', { name: 'See what would become of it' }).click()
  await take({ name: 'new-request', page: robin, path: '' })
  await take({ name: 'profile', page: admin, path: '/console/profiles/web' })
  await take({ name: 'rules', page: admin, path: '/console/profiles/web/rules' })
  await take({ name: 'audit', page: admin, path: '/console/audit' })
} finally {
  await browser.close()
  await scene.stop()
}
