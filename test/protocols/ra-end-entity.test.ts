import { describe, expect, it } from 'vitest'
import type { EndEntityStatus } from '../../protocols/ra/endEntityStatus.ts'
import { endEntityStatuses, requireMove } from '../../protocols/ra/endEntityStatus.ts'
import { useRaApp } from '../helpers/raApp.ts'
import { certificateIn, password } from '../helpers/raLegacy.ts'
import { newCsr } from '../helpers/world.ts'

const used = useRaApp()
const PATH = '/v1/operations/rest/endentity'

const entity = (username: string, more: Record<string, unknown> = {}) => ({
  raProfile: { name: 'rest' },
  username,
  password,
  subjectDN: `CN=${username}.test`,
  subjectAltName: `DNS:${username}.test`,
  ...more,
})

const add = async (username: string, more: Record<string, unknown> = {}) => {
  const { status, text } = await used.app.call('post', PATH, { body: entity(username, more) })
  expect(status, text).toBe(200)
}
const edit = (username: string, more: Record<string, unknown>, by = used.app.operator) => {
  const { username: _, password: __, ...body } = entity(username, more)
  return used.app.call('post', `${PATH}/${username}`, { body: { ...body, ...more }, by })
}
const statusOf = async (username: string): Promise<EndEntityStatus> =>
  (await used.app.call('get', `${PATH}/${username}`)).json.status

const issue = async (username: string, csr?: string, pass = password) =>
  used.app.call('post', '/v1/operations/rest/certificate/issue', {
    body: { username, password: pass, pkcs10: csr ?? (await newCsr([])).der.toString('base64') },
  })

describe('end entities', () => {
  it('are added with an empty answer, shown without the password, listed by name', async () => {
    const more = {
      subjectDN: 'CN=beta.test,O=Field',
      subjectAltName: 'dNSName=beta.test, DNS:two.test',
      email: 'b@x.test',
    }
    const added = await used.app.call('post', PATH, { body: entity('beta', more) })
    expect([added.status, added.text]).toEqual([200, ''])
    await add('alpha')
    const shown = await used.app.call('get', `${PATH}/beta`)
    expect(shown.json).toEqual({ username: 'beta', ...more, status: 'NEW' })
    const all = await used.app.call('get', PATH)
    expect(all.json.map(({ username }: { username: string }) => username)).toEqual(['alpha', 'beta'])
    expect(all.text).not.toContain('argon2')
  })

  it('come with all of a profile’s own fields, which change nothing there', async () => {
    const at = `/v1/raProfiles/${used.app.place.profile}`
    const before = (await used.app.call('get', at, { by: used.app.admin })).json
    const validation = { enabled: true, frequency: 9, expiringThreshold: 9 }
    const changed = { description: 'another', enabled: false, attributes: [], enabledProtocols: ['ACME'] }
    const raProfile = { ...before, ...changed, legacyAuthority: true, certificateValidationSettings: validation }
    await add('whole', { raProfile })
    expect((await edit('whole', { raProfile, status: 'NEW' })).status).toBe(200)
    expect((await used.app.call('get', at, { by: used.app.admin })).json).toEqual(before)
  })

  it('are replaced by an edit; the password stays where none is given', async () => {
    await add('edited', { email: 'old@x.test' })
    const { status, text } = await edit('edited', { status: 'NEW', subjectAltName: 'DNS:other.test' })
    expect([status, text]).toEqual([200, ''])
    const { json } = await used.app.call('get', `${PATH}/edited`)
    expect(json).toEqual({
      username: 'edited',
      subjectDN: 'CN=edited.test',
      subjectAltName: 'DNS:other.test',
      status: 'NEW',
    })
    expect((await issue('edited')).status).toBe(200)
  })

  it('take a new password with an edit, and the earlier one is worth nothing', async () => {
    await add('changed')
    expect((await edit('changed', { status: 'NEW', password: 'another one' })).status).toBe(200)
    expect((await issue('changed')).status).toBe(400)
    expect((await issue('changed', undefined, 'another one')).status).toBe(200)
  })

  it('have names that a path must encode', async () => {
    await add('a/b c%', { subjectDN: 'CN=c.test', subjectAltName: null })
    const { json } = await used.app.call('get', `${PATH}/${encodeURIComponent('a/b c%')}`)
    expect(json).toEqual({ username: 'a/b c%', subjectDN: 'CN=c.test', status: 'NEW' })
  })

  it('need resetPassword once the password was used, or the status NEW', async () => {
    await add('again')
    expect((await issue('again')).status).toBe(200)
    expect(await statusOf('again')).toBe('GENERATED')
    expect((await issue('again')).json.message).toContain('was used')
    const reset = await used.app.call('put', `${PATH}/again/resetPassword`)
    expect([reset.status, reset.text]).toEqual([200, ''])
    expect(await statusOf('again')).toBe('NEW')
    expect((await issue('again')).status).toBe(200)
    expect((await edit('again', { status: 'NEW' })).status).toBe(200)
    expect((await issue('again')).status).toBe(200)
  })

  it.each(['INITIALIZED', 'HISTORICAL'])('order nothing in the status %s', async (status) => {
    const name = status.toLowerCase()
    await add(name)
    expect((await edit(name, { status })).status).toBe(200)
    expect((await issue(name)).json.message).toContain(status)
    expect((await edit(name, { status: 'NEW' })).status).toBe(200)
    expect((await issue(name)).status).toBe(200)
  })

  it('take what the profile leaves open as extension data, and certify it', async () => {
    const day = 86_400_000
    const certificate = { overrides: ['validity'], validity: { default: '30d', max: '90d' } }
    const options = { issueAttributes: [{ name: 'costCentre', contentType: 'integer', required: true }] }
    await used.app.save('open', { settings: { certificate }, options })
    const path = '/v1/operations/open'
    const extensionData = [
      { name: 'validity', value: '7' },
      { name: 'costCentre', value: '12' },
    ]
    const body = { ...entity('gamma'), raProfile: { name: 'open' }, extensionData }
    expect((await used.app.call('post', `${path}/endentity`, { body })).text).toBe('')
    expect((await used.app.call('get', `${path}/endentity/gamma`)).json.extensionData).toEqual(extensionData)
    const pkcs10 = (await newCsr([])).der.toString('base64')
    const issued = await used.app.call('post', `${path}/certificate/issue`, {
      body: { username: 'gamma', password, pkcs10 },
    })
    const found = await certificateIn(used.app, issued.json.certificateData)
    expect(Math.round((found.notAfter.getTime() - found.notBefore.getTime()) / day)).toBe(7)
    const without = { ...body, username: 'delta', extensionData: [{ name: 'validity', value: 'long' }] }
    const refused = await used.app.call('post', `${path}/endentity`, { body: without })
    expect(refused.status).toBe(422)
    expect(refused.json.join()).toMatch(/validity: is a whole number.*costCentre is required/)
  })
})

describe('a variant', () => {
  it('that certifies other names than its profile is chosen by extension data', async () => {
    const names = { dns: ['.inside.test'] }
    const variants = { outside: { description: 'for all', names: { dns: ['.outside.test'] } } }
    await used.app.save('varied', { settings: { certificate: { names }, variants } })
    const path = '/v1/operations/varied'
    const body = { ...entity('out'), raProfile: {}, subjectAltName: 'DNS:a.outside.test' }
    expect((await used.app.call('post', `${path}/endentity`, { body })).status).toBe(422)
    const chosen = { ...body, extensionData: [{ name: 'variant', value: 'outside' }] }
    expect((await used.app.call('post', `${path}/endentity`, { body: chosen })).text).toBe('')
    const pkcs10 = (await newCsr([])).der.toString('base64')
    const issued = await used.app.call('post', `${path}/certificate/issue`, {
      body: { username: 'out', password, pkcs10 },
    })
    expect((await certificateIn(used.app, issued.json.certificateData)).identifiers).toEqual([
      { type: 'dns', value: 'a.outside.test' },
    ])
  })
})

describe('adding refuses', () => {
  it.each([
    ['no password', { password: undefined }, 'password'],
    ['a password of seven characters', { password: 'seven77' }, '8 characters'],
    ['no subject', { subjectDN: '' }, 'subjectDN'],
    ['a subject that is no name', { subjectDN: 'just a word' }, 'subjectDN'],
    ['a country of three letters', { subjectDN: 'CN=a.test,C=DEU' }, 'C:'],
    ['a kind of name that nobody knows', { subjectAltName: 'otherName=x' }, 'subjectAltName'],
    ['an address that is none', { subjectAltName: 'IP:1.2.3' }, 'IP address'],
    ['a comma too many', { subjectAltName: 'DNS:a.test,,DNS:b.test' }, 'one comma'],
    ['a name that the profile does not certify', { subjectAltName: 'URI:https://a.test/' }, 'a.test'],
    ['extension data that means nothing', { extensionData: [{ name: 'customdata_X', value: '1' }] }, 'customdata_X'],
    ['an e-mail address that is none', { email: 'nobody' }, 'email'],
    ['another profile in the body', { raProfile: { name: 'default' } }, 'raProfile'],
    ['no profile in the body', { raProfile: undefined }, 'raProfile'],
    ['a username with a line break', { username: 'a\nb' }, 'username'],
    ['a username that no path names', { username: '..' }, 'username'],
    ['a NUL', { subjectDN: 'CN=a\0' }, 'subjectDN'],
  ])('%s', async (_, more, said) => {
    const { status, json } = await used.app.call('post', PATH, { body: entity('refused', more) })
    expect([400, 422]).toContain(status)
    expect(JSON.stringify(json)).toContain(said)
    expect((await used.app.call('get', `${PATH}/refused`)).status).toBe(404)
  })

  it('a name that is taken, however its letters are composed', async () => {
    await add('caf\u00e9', { subjectDN: 'CN=c.test', subjectAltName: null })
    const { status, json } = await used.app.call('post', PATH, {
      body: entity('cafe\u0301', { subjectDN: 'CN=c.test', subjectAltName: null }),
    })
    expect(status).toBe(409)
    expect(json.message).toContain('already exists')
  })

  it('of two at once with one name, one', async () => {
    const both = await Promise.all([1, 2].map(() => used.app.call('post', PATH, { body: entity('twice') })))
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409])
  })
})

describe('who may', () => {
  it('nobody of another organization, without a token, or of an unknown profile sees any', async () => {
    await add('hidden')
    expect((await used.app.call('get', PATH, { by: used.app.stranger })).status).toBe(404)
    expect((await used.app.call('delete', `${PATH}/hidden`, { by: used.app.stranger })).status).toBe(404)
    expect((await used.app.call('get', PATH, { by: null })).status).toBe(401)
    expect((await used.app.call('get', '/v1/operations/nothing/endentity')).status).toBe(404)
  })

  it('who added one changes it with create_cert; others need manage', async () => {
    const { app } = used
    const other = await app.person('other', { capabilities: ['create_cert'] })
    const manager = await app.person('manager', { capabilities: ['manage'] })
    const reader = await app.person('reader', { capabilities: ['read'] })
    await add('owned')
    for (const by of [other, reader]) {
      expect((await edit('owned', { status: 'HISTORICAL' }, by)).status).toBe(403)
      expect((await app.call('put', `${PATH}/owned/resetPassword`, { by })).status).toBe(403)
      expect((await app.call('delete', `${PATH}/owned`, { by })).status).toBe(403)
    }
    expect((await app.call('post', PATH, { body: entity('theirs'), by: reader })).status).toBe(403)
    expect((await app.call('get', `${PATH}/owned`, { by: reader })).status).toBe(200)
    expect((await edit('owned', { status: 'HISTORICAL' }, manager)).status).toBe(200)
    expect((await app.call('put', `${PATH}/owned/resetPassword`, { by: manager })).status).toBe(200)
    expect((await app.call('delete', `${PATH}/owned`, { by: manager })).status).toBe(200)
  })

  it('who may only vote looks at none', async () => {
    expect((await used.app.call('get', PATH, { by: used.app.approver })).status).toBe(200)
    const voter = await used.app.person('voter', { capabilities: ['approve'] })
    expect((await used.app.call('get', PATH, { by: voter })).status).toBe(403)
  })
})

describe('statuses', () => {
  const may: Record<EndEntityStatus, string[]> = {
    NEW: ['NEW', 'INITIALIZED', 'HISTORICAL', 'KEY_RECOVERY'],
    FAILED: ['NEW', 'FAILED', 'INITIALIZED', 'HISTORICAL', 'KEY_RECOVERY'],
    INITIALIZED: ['NEW', 'INITIALIZED', 'HISTORICAL', 'KEY_RECOVERY'],
    IN_PROCESS: ['NEW', 'INITIALIZED', 'IN_PROCESS', 'HISTORICAL'],
    GENERATED: ['NEW', 'INITIALIZED', 'GENERATED', 'HISTORICAL', 'KEY_RECOVERY'],
    REVOKED: ['NEW', 'INITIALIZED', 'REVOKED', 'HISTORICAL', 'KEY_RECOVERY'],
    HISTORICAL: ['NEW', 'INITIALIZED', 'HISTORICAL', 'KEY_RECOVERY'],
    KEY_RECOVERY: ['NEW', 'INITIALIZED', 'HISTORICAL', 'KEY_RECOVERY'],
    WAITING_FOR_ADD_APPROVAL: ['NEW', 'HISTORICAL', 'WAITING_FOR_ADD_APPROVAL'],
  }
  it.each(endEntityStatuses)('from %s', (from) => {
    const moves = endEntityStatuses.filter((to) => {
      try {
        requireMove(from, to)
        return true
      } catch {
        return false
      }
    })
    expect(moves).toEqual(may[from])
  })

  it('that say what became of an order are not set by an edit, and the answer says why', async () => {
    await add('set')
    for (const to of ['FAILED', 'IN_PROCESS', 'GENERATED', 'REVOKED', 'WAITING_FOR_ADD_APPROVAL']) {
      const { status, json } = await edit('set', { status: to })
      expect([status, json[0]]).toEqual([422, expect.stringContaining(`${to} cannot be set`)])
    }
    expect(await statusOf('set')).toBe('NEW')
  })

  it('one that the contract does not know is 400, none 422', async () => {
    await add('strange')
    expect((await edit('strange', { status: 'ASLEEP' })).status).toBe(400)
    expect((await edit('strange', {})).status).toBe(422)
  })

  it('of two edits at once one may be asked to come again, and none is half done', async () => {
    await add('raced')
    const both = await Promise.all(['INITIALIZED', 'HISTORICAL'].map((status) => edit('raced', { status })))
    const done = both.filter(({ status }) => status === 200)
    expect(done.length).toBeGreaterThan(0)
    for (const { status } of both) expect([200, 409]).toContain(status)
    expect(['INITIALIZED', 'HISTORICAL']).toContain(await statusOf('raced'))
  })
})

describe('deleting', () => {
  it('revokes every certificate, and the name is free again', async () => {
    const { app } = used
    await add('leaving')
    const first = await issue('leaving')
    await app.call('put', `${PATH}/leaving/resetPassword`)
    const second = await issue('leaving')
    const gone = await app.call('delete', `${PATH}/leaving`)
    expect([gone.status, gone.text]).toEqual([200, ''])
    for (const { json } of [first, second])
      expect((await certificateIn(used.app, json.certificateData)).status).toBe('revoked')
    expect((await app.call('get', `${PATH}/leaving`)).status).toBe(404)
    expect((await app.call('delete', `${PATH}/leaving`)).status).toBe(404)
    await add('leaving')
    expect((await issue('leaving')).status).toBe(200)
  })
})
