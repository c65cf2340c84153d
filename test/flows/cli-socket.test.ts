import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { refuseAnswered, startOperationsSocket } from '../../src/cli/socket.ts'
import { callSocket } from '../../src/cli/socketClient.ts'
import { readConfig } from '../../src/config.ts'
import { asRequester } from '../../src/core/identity/identity.ts'
import { claimFolder } from '../../src/disk/claim.ts'
import { openSqlite } from '../helpers/databases.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

let world: World
let people: People
let folder: string
let path: string
let ends: (() => Promise<void>)[] = []

beforeEach(async () => {
  const opened = await openSqlite()
  world = await createWorld(opened.db)
  people = await createPeople(world)
  folder = mkdtempSync(join(tmpdir(), 'countersign-socket-'))
  path = join(folder, 'countersign.sock')
  ends = [opened.close, async () => rmSync(folder, { recursive: true })]
})
afterEach(async () => {
  for (const end of ends.toReversed()) await end()
})

async function listen(): Promise<void> {
  const config = readConfig({ env: {}, argv: ['--data', folder] })
  const { close } = await startOperationsSocket({ core: world.core, it: world.it, config })
  ends.push(close)
}

function call(
  operation: string,
  input: unknown = {},
  credentials: Parameters<typeof callSocket>[0]['credentials'] = undefined,
) {
  return callSocket({ path, operation, input, credentials })
}

function names(answer: { output: unknown } | undefined): string[] {
  return answer ? (answer.output as { name: string }[]).map(({ name }) => name) : []
}

/** As any program could write it. */
function raw(options: {
  method?: string
  url?: string
  body?: string | Buffer
  authorization?: string
}): Promise<{ status: number; body: unknown }> {
  const { method = 'POST', url = '/operations/authority.ls', body, authorization } = options
  return new Promise((resolve, reject) => {
    const asked = request(
      { socketPath: path, path: url, method, ...(authorization ? { headers: { authorization } } : {}) },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }))
      },
    )
    asked.on('error', reject)
    asked.end(body)
  })
}

describe('the socket', () => {
  test('is the owner’s alone, from the start', async () => {
    await listen()
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })
  test('goes when the server does, and then nobody answers', async () => {
    await listen()
    await ends.pop()?.()
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined()
    expect(await call('authority.ls')).toBeUndefined()
  })
  test('that a crash left behind is replaced', async () => {
    const dead = createServer().listen(path)
    await new Promise((resolve) => dead.once('listening', resolve))
    // Closing removes the name; a crash does not.
    const kept = `${path}.kept`
    renameSync(path, kept)
    await new Promise((resolve) => dead.close(resolve))
    renameSync(kept, path)
    expect(statSync(path).isSocket()).toBe(true)
    expect(await call('authority.ls')).toBeUndefined()
    await listen()
    expect(await call('authority.ls')).toBeDefined()
  })
  test('is one server’s, which has claimed the folder', async () => {
    const claim = await claimFolder(folder)
    await expect(claimFolder(folder)).rejects.toMatchObject(failure('conflict', /another server/))
    claim.release()
    ;(await claimFolder(folder)).release()
    await refuseAnswered(folder)
    await listen()
    await expect(refuseAnswered(folder)).rejects.toMatchObject(failure('conflict', /another server.*answers on/))
    expect(await call('authority.ls')).toBeDefined()
  })
  test('file of another kind is no server', async () => {
    writeFileSync(path, '')
    expect(await call('authority.ls')).toBeUndefined()
  })
  test('path that is too long is said so', async () => {
    const long = join(folder, 'x'.repeat(120))
    const config = readConfig({ env: {}, argv: ['--data', long] })
    const listening = startOperationsSocket({ core: world.core, it: world.it, config })
    await expect(listening).rejects.toMatchObject(failure('unsupported', /too long/))
  })
})

describe('an operation', () => {
  beforeEach(listen)

  test('without credentials is asked by the local operator', async () => {
    const answer = await call('authority.ls')
    expect(names(answer)).toEqual(['issuing', 'root'])
  })
  test('with a token is asked by its user', async () => {
    const { text } = await people.as(people.stranger).admin.createToken({ user: 'stranger', name: 'x' })
    expect(await call('authority.ls', {}, { token: text })).toEqual({ output: [] })
  })
  test('with a name and password is asked by that user, whatever characters are in them', async () => {
    const { secret } = await people.as(people.chief).admin.createSetupLink('alice')
    await world.core.authentication.usePasswordLink(secret, 'pass:wörd with a colon')
    const answer = await call('user.ls', {}, { user: 'alice', password: 'pass:wörd with a colon' })
    expect(names(answer)).toEqual(['alice'])
  })
  test.each([
    ['an unknown token', { token: `cs_${'a'.repeat(43)}` }],
    ['a wrong password', { user: 'admin', password: 'wrong' }],
    ['an unknown user', { user: 'nobody', password: 'wrong' }],
  ])('with %s is refused, and not asked by the operator instead', async (_, credentials) => {
    await expect(call('authority.ls', {}, credentials)).rejects.toMatchObject(failure('unauthenticated'))
  })
  test.each(['Bearer', 'Digest abc', 'Basic !!!', 'Basic YWRtaW4=', ''])(
    'with the header %j is refused',
    async (authorization) => {
      const { status } = await raw({ authorization: authorization === '' ? ' ' : authorization })
      expect(status).toBe(401)
    },
  )
  test.each([
    ['request.approve', { ref: '1', hash: 'a'.repeat(64) }],
    ['request.deny', { ref: '1', hash: 'a'.repeat(64), reason: 'x' }],
    ['request.comment', { ref: '1', text: 'x' }],
    ['certificate.revoke', { ref: '1' }],
    ['token.create', { name: 'x' }],
  ])('%s is refused to the local operator, with the way to a token', async (name, input) => {
    await expect(call(name, input)).rejects.toMatchObject(failure('forbidden', /nobody's approval.*token create/))
  })
  test('that nobody knows is not found', async () => {
    await expect(call('authority.explode')).rejects.toMatchObject(failure('notFound'))
    for (const url of ['/', '/operations/', '/operations/__proto__', '/operations/../x'])
      expect((await raw({ url, body: '{"input":{}}' })).status).toBe(404)
  })
  test('is a POST', async () => {
    expect((await raw({ method: 'PUT', body: '{"input":{}}' })).status).toBe(400)
  })
  test.each(['{', 'null', '[]', '{"output":1}', '"input"', '\u0000'])('with the body %j is malformed', async (body) => {
    expect(await raw({ body })).toMatchObject({ status: 400, body: { error: { code: 'malformed' } } })
  })
  test('with a field that it does not know is malformed, and says which', async () => {
    await expect(call('authority.show', { name: 'root', colour: 'red' })).rejects.toMatchObject(
      failure('malformed', /colour/),
    )
  })
  test.each([null, [], 'x', 7, { name: { $ne: '' } }, { name: '' }])(
    'with the input %j is malformed',
    async (input) => {
      await expect(call('authority.show', input)).rejects.toMatchObject(failure('malformed'))
    },
  )
  test('of more than 8 MiB is too large', async () => {
    await expect(raw({ body: Buffer.alloc(8 * 1024 * 1024 + 1, 32) })).resolves.toMatchObject({ status: 413 })
  })
  test('that meets a bug answers without its detail', async () => {
    const broken = { ...world.core, as: () => { throw new TypeError('secret detail') } } // biome-ignore format: one line
    await ends.pop()?.()
    const config = readConfig({ env: {}, argv: ['--data', folder] })
    const { close } = await startOperationsSocket({ core: broken, it: world.it, config })
    ends.push(close)
    const error = await call('authority.ls').catch((error: unknown) => error)
    expect(error).toMatchObject(failure('internal'))
    expect(JSON.stringify(error)).not.toContain('secret detail')
  })
  test('of a user sees nothing of another organization', async () => {
    const { text } = await world.core
      .as(asRequester(people.stranger))
      .admin.createToken({ user: 'stranger', name: 'x' })
    await expect(call('authority.show', { name: 'root' }, { token: text })).rejects.toMatchObject(failure('notFound'))
    await expect(call('authority.crl', { name: 'root' }, { token: text })).rejects.toMatchObject(failure('notFound'))
    await expect(call('certificate.show', { ref: '1' }, { token: text })).rejects.toMatchObject(failure('notFound'))
    await expect(call('request.show', { ref: '1' }, { token: text })).rejects.toMatchObject(failure('notFound'))
  })
})
