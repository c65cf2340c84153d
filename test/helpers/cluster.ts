import { execFileSync, spawn } from 'node:child_process'
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { databaseFolder } from './scratch.ts'

export interface Cluster {
  /** Of the database `postgres`; a test makes its own database beside it. */
  url: string
  stop(): Promise<void>
}

interface Account {
  uid: number
  gid: number
}

/** $1: the folder of the programs; $2: ours; $3: settings; $4: the folder of the server that this one follows, or nothing. `read` returns when the other end of the pipe closes, however that comes about. */
const SCRIPT = `
  if [ "$4" ]
  then "$1/pg_basebackup" -D "$2/data" -h "$4" -U postgres -R -c fast --no-sync
  else "$1/initdb" -D "$2/data" -U postgres -A trust -E UTF8 --locale=C --locale-provider=icu --icu-locale=en-US --no-sync
  fi >"$2/log" 2>&1 &&
  {
    "$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=300 -c max_wal_size=4GB $3 </dev/null >>"$2/log" 2>&1 &
    server=$!
    read -r line
    kill -QUIT $server
    wait $server
    cd / && rm -rf "$2"
  }`

/** Nothing there outlives its run. */
const FORGETFUL = '-c fsync=off -c full_page_writes=off -c shared_buffers=64MB -c deadlock_timeout=100ms'
/** As somebody would run it who has more than tests in it. */
const DURABLE = '-c shared_buffers=1GB'

/**
 * Starts a private PostgreSQL that listens on a socket in a folder of its own and nowhere else. It stops and the folder goes when stop() is
 * called, and also when this process ends in any other way: a shell that waits on our end of a pipe looks after it.
 * A new database is a thousand files: in memory that takes 40 ms, on a disk ten times as much. `durable`: on disk, and a commit waits for it. `follows`: URL of
 * another cluster, of which this one is a standby.
 */
export async function startCluster({
  durable = false,
  follows,
}: {
  durable?: boolean
  follows?: string
} = {}): Promise<Cluster> {
  const programs = findPrograms() ?? installPrograms()
  const account = serverAccount()
  const folder = durable ? mkdtempSync(join(tmpdir(), 'pg-')) : databaseFolder('pg-')
  if (account !== undefined) chownSync(folder, account.uid, account.gid)
  const log = join(folder, 'log')
  const primary = follows === undefined ? '' : (new URL(follows).searchParams.get('host') ?? '')
  const guard = spawn('/bin/sh', ['-c', SCRIPT, 'sh', programs, folder, durable ? DURABLE : FORGETFUL, primary], {
    cwd: folder,
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    ...account,
  })
  const ended = new Promise<void>((resolve) => guard.once('exit', () => resolve()))
  guard.unref()
  const stop = async (): Promise<void> => {
    guard.stdin.end()
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  const url = `postgres://postgres@localhost/postgres?host=${encodeURIComponent(folder)}`
  try {
    await answering(url)
  } catch (cause) {
    const report = existsSync(log) ? readFileSync(log, 'utf8') : 'nothing logged'
    await stop()
    throw new Error(`the private PostgreSQL did not start:\n${report}`, { cause })
  }
  return { url, stop }
}

async function answering(url: string): Promise<void> {
  const until = Date.now() + 30_000
  for (;;) {
    const client = new pg.Client({ connectionString: url })
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      if (Date.now() > until) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** The server refuses to run as root. */
function serverAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  const entries = readFileSync('/etc/passwd', 'utf8').split('\n')
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = entries.find((entry) => entry.startsWith(`${name}:`))?.split(':') ?? []
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new Error('PostgreSQL does not run as root, and there is neither an account postgres nor nobody')
}

function findPrograms(): string | undefined {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : []
  return versions.map((version) => join(root, version, 'bin')).find((folder) => existsSync(join(folder, 'initdb')))
}

function installPrograms(): string {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error('the tests need the PostgreSQL server programs: on Debian `apt-get install postgresql`')
  }
  // Debian would make and start a cluster of its own.
  mkdirSync('/etc/postgresql-common', { recursive: true })
  const settings = '/etc/postgresql-common/createcluster.conf'
  if (!existsSync(settings)) writeFileSync(settings, 'create_main_cluster = false\n')
  const options = { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
  execFileSync('apt-get', ['update', '-qq'], options)
  const install = [
    'install',
    '-y',
    '-qq',
    '--no-install-recommends',
    '-o',
    'Dpkg::Options::=--force-confold',
    'postgresql',
  ]
  execFileSync('apt-get', install, options)
  const programs = findPrograms()
  if (programs === undefined) throw new Error('the package postgresql brought no initdb')
  return programs
}
