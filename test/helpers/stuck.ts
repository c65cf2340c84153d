import { Worker } from 'node:worker_threads'
import { beforeEach } from 'vitest'

/**
 * A test whose loop never comes back to the event loop is stopped by no time limit of vitest, and the run waits for ever without a word. A thread watches
 * the loop of each test process: where it stands still for a minute, the thread says which test that is and where, and ends the process, which fails the run.
 */
const PATIENCE_SECONDS = 60

const watch = `
  const { writeSync, readdirSync, readFileSync } = require('node:fs')
  const { Session } = require('node:inspector')
  const { parentPort, workerData } = require('node:worker_threads')
  const beats = new Int32Array(workerData.beats)
  let test = 'no test yet', seen = 0, still = 0
  parentPort.on('message', (name) => { test = name })
  // Ticks are counted, not time: a machine that was paused is not stuck.
  const ticking = setInterval(() => {
    const now = Atomics.load(beats, 0)
    if (now !== seen) { seen = now; still = 0 }
    else if (++still >= workerData.patience) { clearInterval(ticking); tell() }
  }, 1000)
  function tell() {
    say('the event loop stands still since ' + still + ' s in: ' + test)
    for (const thread of list('/proc/self/task'))
      say(['thread', thread, read(thread, 'comm'), 'state', read(thread, 'stat').replace(/^.*\\) /, '').split(' ')[0], 'waits in', read(thread, 'wchan'), 'call', read(thread, 'syscall').split(' ')[0]].join(' '))
    setTimeout(end, 10_000)
    const session = new Session()
    session.connectToMainThread()
    const scripts = new Map()
    session.on('Debugger.scriptParsed', ({ params }) => scripts.set(params.scriptId, params.url))
    session.on('Debugger.paused', ({ params }) => {
      for (const { functionName, location } of params.callFrames)
        say('  at ' + (functionName || 'anonymous') + ' (' + scripts.get(location.scriptId) + ':' + (location.lineNumber + 1) + ')')
      end()
    })
    session.post('Debugger.enable')
    session.post('Debugger.pause')
  }
  function end() { process.kill(process.pid, 'SIGKILL') }
  function list(folder) { try { return readdirSync(folder) } catch { return [] } }
  function say(line) { writeSync(2, 'stuck: ' + line + '\\n') }
  function read(thread, file) { try { return readFileSync('/proc/self/task/' + thread + '/' + file, 'utf8').trim() } catch { return '?' } }
`

const key = Symbol.for('countersign.test.stuck')
const place = globalThis as { [key]?: Worker }
place[key] ??= watched()
const watcher = place[key]

beforeEach(({ task }) => watcher.postMessage(`${task.file.name}: ${task.name}`))

function watched(): Worker {
  const beats = new SharedArrayBuffer(4)
  const beat = new Int32Array(beats)
  setInterval(() => Atomics.add(beat, 0, 1), 500).unref()
  const worker = new Worker(watch, { eval: true, workerData: { beats, patience: PATIENCE_SECONDS }, stderr: false })
  worker.unref()
  return worker
}
