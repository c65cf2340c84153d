import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { root } from '../helpers/bundle.ts'
import { run } from '../helpers/program.ts'

const packaging = join(root, 'docs/operate/packaging')

describe('the unit of systemd', () => {
  const unit = readFileSync(join(packaging, 'countersign.service'), 'utf8')

  test('systemd reads it without a word', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-unit-'))
    const file = join(folder, 'countersign.service')
    // What is not on this machine: the program's folder, and its user.
    const here = unit
      .replace('/usr/bin/node', process.execPath)
      .replaceAll('/opt/countersign', root)
      .replace(/^(User|Group)=.*$/gm, '$1=daemon')
    writeFileSync(file, here)
    expect(await run('systemd-analyze', ['verify', '--man=no', file])).toMatchObject({ code: 0, stderr: '' })
    writeFileSync(file, here.replace('ProtectSystem=strict', 'ProtectSystem=perhaps'))
    expect((await run('systemd-analyze', ['verify', '--man=no', file])).stderr).toContain('protect system')
    rmSync(folder, { recursive: true })
  })

  test('what it may do is little: systemd rates it below 2 of 10', async () => {
    const rated = await run('systemd-analyze', [
      'security',
      '--offline=true',
      '--threshold=20',
      join(packaging, 'countersign.service'),
    ])
    expect(rated.code).toBe(0)
    expect(rated.stdout).toMatch(/Overall exposure level for countersign.service: 1\.\d/)
  })

  test('it waits longer for an end than an end takes', () => {
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(45)
  })
})
