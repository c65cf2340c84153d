import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { downloaded, expectNoFault, openBrowser, reachByTab, signIn, visitor } from '../helpers/browser.ts'
import { digits, openRequest, overTls, paste, reason, saveCertificate } from '../helpers/consoleJourney.ts'
import { type Scene, setScene } from '../helpers/consoleScene.ts'
import { ocspStatus } from '../helpers/openssl.ts'

let browser: Browser
let scene: Scene
beforeAll(async () => {
  browser = await openBrowser()
  scene = await setScene(browser)
}, 120_000)
afterAll(async () => {
  await browser?.close()
  await scene?.stop()
})

describe('ask, approve, download, use', () => {
  it('by two approvers, seen live by the requester, and served over TLS', async () => {
    const { robin, mara, jonas } = scene
    const key = await paste(scene, robin, { profile: 'web', name: 'shop.example.org' })
    expect(await robin.locator('main').innerText()).toMatch(/waits/i)

    await openRequest(jonas, 'shop.example.org')
    await openRequest(mara, 'shop.example.org')
    await mara.getByRole('button', { name: 'Approve', exact: true }).click()
    await mara.getByText('1 of 2 so far').waitFor()
    // Jonas has not touched his page: it tells him by itself.
    await jonas.getByText('1 of 2 so far').waitFor({ timeout: 15_000 })
    await jonas.getByRole('button', { name: 'Approve', exact: true }).click()
    await jonas.getByText('Signed').first().waitFor()

    await robin.goto('/console/certificates?search=shop.example.org')
    await robin.getByRole('link', { name: 'shop.example.org' }).first().click()
    const one = await downloaded(robin, () => robin.getByRole('link', { name: 'Download certificate' }).click())
    expect(one.name).toBe('shop.example.org.crt')
    await robin.getByRole('link', { name: 'PEM with its chain' }).waitFor()
    const whole = await downloaded(robin, () => robin.getByRole('link', { name: 'PEM with its chain' }).click())
    const fullchain = join(scene.folder, 'shop.full')
    writeFileSync(fullchain, whole.content)
    expect(await overTls(scene, { key, fullchain, name: 'shop.example.org' })).toBe('hello')
    for (const page of [robin, mara, jonas]) expectNoFault(page)
  })

  it('not by whoever asked: he sees no button to approve', async () => {
    const { robin } = scene
    await paste(scene, robin, { profile: 'web', name: 'own.example.org' })
    await openRequest(robin, 'own.example.org')
    expect(await robin.getByRole('button', { name: 'Approve', exact: true }).count()).toBe(0)
  })

  it('two decide at once: the second sees what happened', async () => {
    const { mara, jonas } = scene
    await openRequest(mara, 'own.example.org')
    await openRequest(jonas, 'own.example.org')
    await reason(jonas).fill('Nobody knows this name.')
    await jonas.getByRole('button', { name: 'Deny', exact: true }).click()
    await jonas.getByText('Denied').first().waitFor()
    const approve = mara.getByRole('button', { name: 'Approve', exact: true })
    if ((await approve.count()) > 0) await approve.click({ timeout: 2000 }).catch(() => undefined)
    await mara.getByText('Nobody knows this name.').first().waitFor()
  })

  it('denied: the requester reads why', async () => {
    const { robin } = scene
    await openRequest(robin, 'own.example.org')
    expect(await robin.locator('main').innerText()).toContain('Nobody knows this name.')
    await robin.goto('/console/orders')
    expect(await robin.locator('main').innerText()).toContain('own.example.org')
  })

  it('several at once, each for itself', async () => {
    const { mara, jonas } = scene
    for (const name of ['a.example.org', 'b.example.org', 'c.example.org']) await scene.order('web', name)
    for (const page of [mara, jonas]) {
      await page.goto('/console/requests/sign?mine=1')
      await page.getByLabel('Choose all on this page').check()
      await page.getByRole('button', { name: 'Approve chosen' }).click()
      expect(await page.locator('main').innerText()).toContain('b.example.org')
    }
    await jonas.goto('/console/requests/sign?status=signed')
    const listed = await jonas.locator('main').innerText()
    for (const name of ['a.example.org', 'b.example.org', 'c.example.org']) expect(listed).toContain(name)
  })
})

describe('a certificate with its key', () => {
  it('that the server made is a PFX which openssl opens by the password that was shown', async () => {
    const { robin } = scene
    await robin.goto('/console/new/lab?way=server')
    await robin.getByLabel('Names').fill('pfx.lab.example.org')
    await robin.getByRole('button', { name: 'See what would become of it' }).click()
    await robin.getByText('at once').first().waitFor()
    await robin.getByRole('button', { name: 'Request certificate' }).click()
    await robin.getByText('The certificate is issued.').waitFor()
    await robin.getByRole('button', { name: 'Download PFX' }).click()
    const password = (await robin.locator('main pre').first().innerText()).trim()
    const { name, content } = await downloaded(robin, () =>
      robin.getByRole('button', { name: 'Download', exact: true }).click(),
    )
    expect(name).toBe('pfx.lab.example.org.pfx')
    const file = join(scene.folder, name)
    writeFileSync(file, content)
    const opened = execFileSync('openssl', ['pkcs12', '-in', file, '-passin', `pass:${password}`, '-nodes'], {
      stdio: 'pipe',
    })
    expect(opened.toString()).toContain('BEGIN PRIVATE KEY')
    expect(opened.toString().match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThanOrEqual(2)
    expect(() =>
      execFileSync('openssl', ['pkcs12', '-in', file, '-passin', 'pass:another', '-nodes'], { stdio: 'pipe' }),
    ).toThrow()
    const [, pem = ''] = /(-----BEGIN PRIVATE KEY-----[\s\S]+?-----END PRIVATE KEY-----)/.exec(opened.toString()) ?? []
    const certificates =
      opened.toString().match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----\n/g) ?? []
    const [key, chain] = [join(scene.folder, 'pfx.key'), join(scene.folder, 'pfx.full')]
    writeFileSync(key, pem)
    writeFileSync(chain, certificates.join(''))
    expect(await overTls(scene, { key, fullchain: chain, name: 'pfx.lab.example.org' })).toBe('hello')
  })

  it('that the browser made never leaves it: the server is sent the request alone', async () => {
    const { robin } = scene
    const posted: string[] = []
    robin.on('request', (sent) => posted.push(sent.postData() ?? ''))
    await robin.goto('/console/new/lab?way=browser')
    await robin.getByLabel('Names').fill('browser.lab.example.org')
    await robin.getByRole('button', { name: 'Make the key' }).click()
    const save = robin.getByRole('link', { name: 'Save the private key' })
    await save.waitFor()
    expect(
      await robin.getByRole('button', { name: 'Request certificate' }).isDisabled(),
      'not before it is saved',
    ).toBe(true)
    const kept = await downloaded(robin, () => save.click())
    expect(kept.content.toString()).toContain('BEGIN PRIVATE KEY')
    await robin.getByRole('button', { name: 'Request certificate' }).click()
    await robin.getByText('The certificate is issued.').waitFor()
    const { fullchain, cert } = await saveCertificate(scene, robin, 'browser')
    const key = join(scene.folder, 'browser.key')
    writeFileSync(key, kept.content)
    expect(await overTls(scene, { key, fullchain, name: 'browser.lab.example.org' })).toBe('hello')
    const secret = kept.content.toString().replace(/-----.*?-----|\s/g, '')
    expect(posted.some((body) => body.includes(secret.slice(40, 80)) || body.includes('PRIVATE KEY'))).toBe(false)
    const shown = execFileSync('openssl', ['x509', '-in', cert, '-noout', '-ext', 'subjectAltName'], { stdio: 'pipe' })
    expect(shown.toString()).toContain('browser.lab.example.org')
    expectNoFault(robin)
  })
})

describe('revoke', () => {
  it('by the six digits and a reason: OCSP says so', async () => {
    const { robin, server } = scene
    await paste(scene, robin, { profile: 'lab', name: 'gone.lab.example.org' })
    const files = await saveCertificate(scene, robin, 'gone')
    expect((await ocspStatus(server, files)).status).toBe('good')
    await robin.getByRole('link', { name: 'All about it' }).click()
    await robin.getByRole('button', { name: 'Revoke certificate' }).click()
    const code = await digits(robin)
    await robin.getByLabel('Key compromise').check()
    await robin.getByLabel('Code').fill(code === '000000' ? '111111' : '000000')
    await robin.getByRole('button', { name: 'Confirm revoke' }).click()
    expect(await robin.getByRole('alert').innerText()).toMatch(/code/i)
    await robin.getByLabel('Code').fill(code)
    await robin.getByLabel('Key compromise').check()
    await robin.getByRole('button', { name: 'Confirm revoke' }).click()
    await robin.getByText('Revoked').first().waitFor()
    const after = await ocspStatus(server, files)
    expect([after.status, after.verified]).toEqual(['revoked', true])
    expect(after.text).toContain('keyCompromise')
  })

  it('with approval: it waits, somebody else approves, OCSP says so', async () => {
    const { robin, mara, server } = scene
    await robin.goto('/console/certificates?search=shop.example.org')
    await robin.getByRole('link', { name: 'shop.example.org' }).first().click()
    const address = robin.url()
    await robin.getByRole('button', { name: 'Revoke certificate' }).click()
    const code = await digits(robin)
    await robin.getByLabel('Superseded').check()
    await robin.getByLabel('Code').fill(code)
    await robin.getByRole('button', { name: 'Confirm revoke' }).click()
    await mara.goto('/console/requests/revoke')
    await mara.getByRole('link', { name: 'shop.example.org' }).first().click()
    await mara.getByRole('button', { name: 'Approve', exact: true }).click()
    await mara.getByText('Revoked').first().waitFor()
    await robin.goto(address)
    const cert = join(scene.folder, 'shop.crt')
    const [leaf = '', ...issuers] = readFileSync(join(scene.folder, 'shop.full'), 'utf8').split(
      /(?<=-----END CERTIFICATE-----\n)/,
    )
    writeFileSync(cert, leaf)
    writeFileSync(join(scene.folder, 'shop.chain'), issuers.join(''))
    expect((await ocspStatus(server, { cert, chain: join(scene.folder, 'shop.chain') })).status).toBe('revoked')
  })

  it('a hold is lifted', async () => {
    const { robin, server } = scene
    await paste(scene, robin, { profile: 'lab', name: 'held.lab.example.org' })
    const files = await saveCertificate(scene, robin, 'held')
    await robin.getByRole('link', { name: 'All about it' }).click()
    await robin.getByRole('button', { name: 'Put on hold' }).click()
    await robin.getByLabel('Code').fill(await digits(robin))
    await robin.getByRole('button', { name: 'Confirm revoke' }).click()
    await robin.getByText('On hold').first().waitFor()
    expect((await ocspStatus(server, files)).status).toBe('revoked')
    await robin.getByRole('button', { name: 'Lift the hold' }).click()
    await robin.getByText('Active').first().waitFor()
    expect((await ocspStatus(server, files)).status).toBe('good')
  })
})

describe('by keyboard alone', () => {
  it('an order is found, approved by two, and downloaded', async () => {
    await scene.order('web', 'keys.example.org')
    for (const page of [scene.mara, scene.jonas]) {
      await page.goto('/console')
      await reachByTab(page, 'Requests')
      await page.keyboard.press('Enter')
      await page.waitForURL('**/console/requests/sign')
      await reachByTab(page, 'keys.example.org')
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { level: 1, name: 'keys.example.org' }).waitFor()
      await reachByTab(page, 'Approve')
      await page.keyboard.press('Enter')
      await page
        .getByText(page === scene.mara ? '1 of 2 so far' : 'Signed')
        .first()
        .waitFor()
    }
    await reachByTab(scene.jonas, 'To the certificate')
    await scene.jonas.keyboard.press('Enter')
    await scene.jonas.waitForURL('**/console/certificates/**')
    await reachByTab(scene.jonas, 'Download certificate')
    const { content } = await downloaded(scene.jonas, () => scene.jonas.keyboard.press('Enter'))
    expect(content.toString()).toContain('BEGIN CERTIFICATE')
  })
})

describe('on a phone, and without scripts', () => {
  it('an approver decides on his phone', async () => {
    const uuid = await scene.order('web', 'phone.example.org')
    const phone = await visitor(browser, scene.server, { width: 375, height: 700 })
    await signIn(phone, 'mara')
    await phone.getByText('Menu').click()
    await phone.getByRole('link', { name: 'Requests' }).click()
    await phone.getByRole('link', { name: 'phone.example.org' }).first().click()
    await phone.getByRole('button', { name: 'Approve', exact: true }).click()
    await phone.getByText('1 of 2 so far').waitFor()
    expect(phone.url()).toContain(uuid)
    expectNoFault(phone)
  })

  it('ask, approve, download and revoke without scripts', async () => {
    const plain = { javaScriptEnabled: false }
    const [jonas, robin] = [await visitor(browser, scene.server, plain), await visitor(browser, scene.server, plain)]
    await signIn(jonas, 'jonas')
    await openRequest(jonas, 'phone.example.org')
    await jonas.getByRole('button', { name: 'Approve', exact: true }).click()
    await jonas.getByText('Signed').first().waitFor()
    await signIn(robin, 'robin')
    await paste(scene, robin, { profile: 'lab', name: 'plain.lab.example.org' })
    const files = await saveCertificate(scene, robin, 'plain')
    await robin.getByRole('link', { name: 'All about it' }).click()
    await robin.getByRole('button', { name: 'Revoke certificate' }).click()
    await robin.getByLabel('Superseded').check()
    await robin.getByLabel('Code').fill(await digits(robin))
    await robin.getByRole('button', { name: 'Confirm revoke' }).click()
    await robin.getByText('Revoked').first().waitFor()
    expect((await ocspStatus(scene.server, files)).status).toBe('revoked')
  })
})
