import { type ChildProcess, spawn } from 'node:child_process'

/** Runs a program without a shell. */
export interface Run {
  command: readonly [string, ...string[]]
  /** Beside what every program gets (surroundings). */
  env: Record<string, string>
  /** Milliseconds. */
  timeout: number
  signal: AbortSignal
}

/** So much of what it printed stands in the log. */
const kept = 2_000

/** Resolves when the program has ended well. Rejects with what it printed last when it has not, or takes too long: then it and its children are killed. */
export function runCommand({ command: [program, ...args], env, timeout, signal }: Run): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new Error('the server stops'))
    const child = spawn(program, args, {
      env: { ...surroundings(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let printed = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        printed = (printed + chunk.toString('utf8')).slice(-kept)
      })
    let killed: string | undefined
    const end = (why: string) => {
      killed ??= why
      killGroup(child)
    }
    const late = setTimeout(end, timeout, `it took longer than ${timeout / 1000} seconds`)
    const stop = () => end('the server stops')
    signal.addEventListener('abort', stop)
    child.once('error', (error) => settle(error))
    // Not `close`: a child that it left behind may hold the pipes for ever.
    child.once('exit', (code, by) =>
      settle(code === 0 ? undefined : new Error(killed ?? `it ended with ${code ?? by}`)),
    )
    function settle(error: Error | undefined) {
      clearTimeout(late)
      signal.removeEventListener('abort', stop)
      child.stdout.destroy()
      child.stderr.destroy()
      if (error) reject(new Error(`${program}: ${error.message}${printed === '' ? '' : `; it printed: ${printed}`}`))
      else resolve()
    }
  })
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

/** What programs need to find each other, their files, the time and the language, and the roots of this network. */
const SURROUNDINGS = new Set([
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'PWD', 'TMPDIR', 'TZ', 'LANG', 'LANGUAGE'],
  ...['XDG_CONFIG_HOME', 'XDG_CACHE_HOME', 'XDG_DATA_HOME', 'XDG_RUNTIME_DIR'],
  ...['SSL_CERT_FILE', 'SSL_CERT_DIR'],
])

/**
 * Of the server's own environment only what is known to be no secret: passwords and tokens have names that nobody can list
 * (PGPASSWORD, DATABASE_URL, AWS_SECRET_ACCESS_KEY, proxies with a password). What a command needs beside it stands in a file.
 */
function surroundings(): Record<string, string> {
  const plain = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && (SURROUNDINGS.has(name) || name.startsWith('LC_')),
  )
  return Object.fromEntries(plain) as Record<string, string>
}
