import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './bundle.ts'
import { type Ended, run } from './program.ts'
import { atTerminal, type Dialogue, type TerminalEnd } from './terminal.ts'

export interface RemoteOptions {
  env?: Record<string, string>
  input?: string
}

/** The command line as somebody has it who is not where the server is: a home of his own, and no data folder. */
export interface RemoteCli {
  home: string
  configFile: string
  run(args: readonly string[], options?: RemoteOptions): Promise<Ended>
  /** With --json; must end well. */
  json<T>(args: readonly string[], options?: RemoteOptions): Promise<T>
  terminal(args: readonly string[], dialogue: Dialogue, env?: Record<string, string>): Promise<TerminalEnd>
  remove(): void
}

export function remoteCli(): RemoteCli {
  const home = mkdtempSync(join(tmpdir(), 'countersign-home-'))
  const mine = { HOME: home, XDG_CONFIG_HOME: join(home, '.config') }
  const strangers = Object.keys(process.env).filter((name) => /^COUNTERSIGN_|^DATABASE_URL$/.test(name))
  const without = Object.fromEntries(strangers.map((name) => [name, undefined]))
  const words = (args: readonly string[]) => [join(root, 'dist/cli.js'), ...args]
  const runHere = (args: readonly string[], { env = {}, input }: RemoteOptions = {}) =>
    run(process.execPath, words(args), {
      cwd: home,
      env: { ...without, ...mine, ...env },
      timeout: 60_000,
      ...(input === undefined ? {} : { input }),
    })
  return {
    home,
    configFile: join(home, '.config/countersign/config.json'),
    run: runHere,
    async json<T>(args: readonly string[], options?: RemoteOptions) {
      const { code, stdout, stderr } = await runHere([...args, '--json'], options)
      if (code !== 0) throw new Error(`countersign ${args.join(' ')} ended with ${code}: ${stderr}`)
      return JSON.parse(stdout) as T
    },
    terminal: (args, dialogue, env = {}) =>
      atTerminal([process.execPath, ...words(args)], dialogue, {
        cwd: home,
        env: { ...process.env, ...without, ...mine, TERM: 'xterm', ...env },
      }),
    remove: () => rmSync(home, { recursive: true, force: true }),
  }
}
