import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { examples } from '../../src/cli/examples.ts'
import { defineAll, nouns, verbsOf } from '../../src/cli/nouns.ts'
import { ensureBundle, root } from '../helpers/bundle.ts'
import { run } from '../helpers/program.ts'
import { type RemoteCli, remoteCli } from '../helpers/remoteCli.ts'

let cli: RemoteCli
let program: Command
beforeAll(async () => {
  await ensureBundle()
  cli = remoteCli()
  program = new Command('countersign').option('--output <form>').option('--token-file <file>').option('--data <folder>')
  for (const noun of Object.keys(nouns)) program.command(noun)
  await defineAll(program)
})
afterAll(() => cli?.remove())

const words = (line: string) =>
  [...line.replace(/ (?:\||>) .*$/, '').matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '')

describe('help', () => {
  test('gives no stack to whoever reads its first line alone', async () => {
    const command = `"${process.execPath}" "${join(root, 'dist/cli.js')}" man | head -n 1`
    const { stdout, stderr } = await run('sh', ['-c', command])
    expect([stdout.split('\n').length, stderr]).toEqual([2, ''])
  })

  test('has examples for every verb, and for no other', () => {
    const all = program.commands.flatMap((noun) => verbsOf(noun)).map(({ path }) => path)
    expect(all.length).toBeGreaterThan(120)
    expect(Object.keys(examples).sort()).toEqual(all.sort())
  })
  test.each(Object.entries(examples).flatMap(([path, lines]) => lines.map((line) => [line, path] as const)))(
    '%s is written as the program reads it',
    (line, path) => {
      const found = program.commands.flatMap((noun) => verbsOf(noun)).find((one) => one.path === path)
      if (!found) throw new Error(`there is no ${path}`)
      expect(words(line).slice(0, path.split(' ').length)).toEqual(path.split(' '))
      const given = words(line).slice(path.split(' ').length)
      const { operands, unknown } = found.verb.parseOptions(given)
      const shared = program.options.map(({ long }) => long)
      expect(unknown.filter((word) => word.startsWith('-') && !shared.includes(word))).toEqual([])
      const needed = found.verb.registeredArguments.filter(({ required }) => required).length
      expect(operands.length).toBeGreaterThanOrEqual(needed)
    },
  )
  test('of a verb shows them', async () => {
    const { code, stdout } = await cli.run(['csr', 'create', '--help'])
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Examples:\n  countersign csr create -d www.example.org'),
    })
  })
})

describe('--version', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  test.each([['--version'], ['-V'], ['serve', '--version']])('says that of package.json: %s %s', async (...words) => {
    const { code, stdout, stderr } = await cli.run(words)
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `countersign ${version}\n`, stderr: '' })
  })
})

describe('completion', () => {
  async function bash(line: string): Promise<string[]> {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-completion-'))
    writeFileSync(join(folder, 'completion'), (await cli.run(['completion', 'bash'])).stdout)
    const given = line.split(' ')
    const script = `source ${folder}/completion; COMP_WORDS=(${given.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${given.length - 1}; _countersign; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout } = await run('bash', ['-c', script], { cwd: folder })
    rmSync(folder, { recursive: true, force: true })
    return stdout.trim().split('\n')
  }
  test.each([
    ['countersign cs', ['csr']],
    ['countersign csr d', ['describe', 'deny', 'delete', 'download-crt']],
    ['countersign --server test revoke ca', ['cancel']],
    ['countersign csr create --valid', ['--valid-days']],
    ['countersign csr ls --out', ['--output']],
    ['countersign --vers', ['--version']],
    ['countersign limit override s', ['set']],
  ])('in bash of "%s"', async (line, expected) => {
    expect(await bash(line)).toEqual(expected)
  })
  test('for fish and zsh names every verb', async () => {
    const { stdout } = await cli.run(['completion', 'fish'])
    expect(stdout).toContain('-a download-crt -d ')
    expect((await cli.run(['completion', 'zsh'])).stdout).toMatch(/^#compdef countersign\n/)
    expect(await cli.run(['completion', 'csh'])).toMatchObject({ code: 2 })
  })
})

describe('the manual page', () => {
  test('has every verb and its examples, and roff finds nothing wrong with it', async () => {
    const { code, stdout: page } = await cli.run(['man'])
    expect(code).toBe(0)
    const linted = await run('groff', ['-man', '-ww', '-Tutf8', '-Z'], { input: page })
    expect(linted).toMatchObject({ code: 0, stderr: '' })
    const { stdout } = await run('groff', ['-man', '-Tascii', '-P-cbou'], { input: page })
    for (const noun of program.commands)
      for (const { path } of verbsOf(noun)) expect(stdout).toContain(`countersign ${path}`)
    expect(stdout).toContain('countersign request comment 12 "asked the owner of the host"')
  })
})
