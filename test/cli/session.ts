// Writes docs/cli.md: what two people type and see, against a server that is started for it. Run by npm run docs:cli.
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CliInstallation, startInstallation } from '../helpers/installation.ts'
import { succeed } from '../helpers/program.ts'
import { type RemoteCli, remoteCli } from '../helpers/remoteCli.ts'
import type { Dialogue } from '../helpers/terminal.ts'

const url = 'https://ra.example.org:8443'
const parts: string[] = []

/** A line that somebody types at a terminal, and what that shows. */
async function typed(who: Person, line: string, dialogue: Dialogue = []): Promise<void> {
  const words = [...line.replace(url, who.at.server.baseUrl).matchAll(/"([^"]*)"|(\S+)/g)].map(
    ([, a, b]) => a ?? b ?? '',
  )
  const { shown } = await who.cli.terminal(words, dialogue, { NO_COLOR: '1' })
  record(who, `countersign ${line}`, shown)
}

function record(who: Person, line: string, shown: string): void {
  const text = shown
    .replaceAll('\r\n', '\n')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal acts on is no part of the page
    .replace(/\u001b\[[0-9;?]*[A-Za-z]|\r/g, '')
    .replaceAll(who.at.server.baseUrl, url)
    .replaceAll(who.cli.home, '~')
    .replace(/[ \t]+$/gm, '')
    .trimEnd()
  parts.push('```console', `${who.name}$ ${line}`, ...(text === '' ? [] : [text]), '```', '')
}

interface Person {
  name: string
  at: CliInstallation
  cli: RemoteCli
}

const say = (text: string) => parts.push(text, '')
const password = 'a long password of theirs'

async function person(at: CliInstallation, name: string, roles: string[]): Promise<Person> {
  await at.token(name, roles)
  const { secret } = await at.json<{ secret: string }>(`user setup-link ${name}`)
  await at.json('user set-password --setup-link-file -', { input: `${secret}\n${password}\n` })
  const cli = remoteCli()
  copyFileSync(at.server.rootPem, join(cli.home, 'root.pem'))
  return { name, at, cli }
}

async function prepare(at: CliInstallation): Promise<void> {
  const admin = { token: await at.token('admin') }
  const one = [{ name: 'one of security', require: [{ roles: ['security'] }] }]
  const settings = { certificate: { overrides: ['validity'] } }
  const profile = {
    name: 'web',
    authority: 'issuing',
    settings,
    protocols: { ra: {} },
    rules: { issue: one, revoke: one },
  }
  await at.json('profile set -f -', { input: JSON.stringify(profile) })
  for (const capability of ['read', 'create_cert', 'revoke_cert'])
    await at.json(`user grant ${capability} alice --authority issuing`, admin)
}

/** The id of the newest in a list. */
async function first(who: Person, line: string): Promise<number> {
  const { rows } = await who.cli.json<{ rows: { id: number }[] }>(line.split(' '))
  const [row] = rows
  if (!row) throw new Error(`${line} is empty\n${parts.join('\n')}`)
  return row.id
}

async function walk(alice: Person, bob: Person): Promise<void> {
  say(
    'Alice needs a certificate; Bob, of the role `security`, decides. Both log in once. The password is not shown while it is typed.',
  )
  for (const who of [alice, bob])
    await typed(who, `login ${url} --ca root.pem --user ${who.name}`, [['Password of', `${password}\r`]])
  say(
    'The key is made where Alice types, and stays there. Without options `csr create` asks; `--edit` opens an editor.',
  )
  await typed(alice, 'csr create --profile web -d www.example.org -i 192.0.2.7 --valid-days 30')
  await typed(alice, 'csr ls')
  const id = await first(alice, 'csr ls')
  await typed(alice, `csr download-crt ${id}`)
  say('That ended with 7: nothing failed, and somebody has to decide. Bob sees all that he decides on, and is asked.')
  await typed(bob, `csr approve ${id}`, [['[y/N] ', 'y\r']])
  await typed(alice, `csr download-crt ${id} --chain --out www.pem`)
  const line = 'openssl x509 -in www.pem -noout -issuer -ext subjectAltName -checkend 2500000'
  record(alice, line, await succeed('openssl', line.split(' ').slice(1), { cwd: alice.cli.home }))
  say('When it is replaced, it is revoked the same way.')
  await typed(alice, 'certificate ls --search www.example.org')
  const certificate = await first(alice, 'certificate ls')
  await typed(alice, `revoke create --certificate ${certificate} --reason superseded`)
  await typed(bob, `revoke approve ${await first(bob, 'revoke ls')} --yes`)
  await typed(alice, 'revoke ls')
  await typed(alice, 'logout')
}

const at = await startInstallation()
const people: Person[] = []
try {
  say('# A session at the command line')
  say(
    'From the order to the certificate. Made by `npm run docs:cli`, which starts a server and types this; [operate/cli.md](operate/cli.md) has every verb.',
  )
  people.push(await person(at, 'alice', []), await person(at, 'bob', ['security']))
  await prepare(at)
  const [alice, bob] = people
  if (alice && bob) await walk(alice, bob)
  writeFileSync('docs/cli.md', `${parts.join('\n').trimEnd()}\n`)
} finally {
  for (const { cli } of people) cli.remove()
  await at.server.stop()
}
