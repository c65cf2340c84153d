import { DatabaseUnavailable } from './errors.ts'

interface Gate {
  pass<R>(work: () => Promise<R>): Promise<R>
  close(): Promise<void>
}

/** Lets work through until it is closed; closing waits for the work that is on its way. */
export function closable(end: () => Promise<void>): Gate {
  let underWay = 0
  let closed = false
  let idle = () => {}

  async function pass<R>(work: () => Promise<R>): Promise<R> {
    if (closed) throw new DatabaseUnavailable('it is closed')
    underWay++
    try {
      return await work()
    } finally {
      underWay--
      if (closed && underWay === 0) idle()
    }
  }

  async function close(): Promise<void> {
    if (closed) return
    closed = true
    if (underWay > 0) {
      await new Promise<void>((resolve) => {
        idle = resolve
      })
    }
    await end()
  }
  return { pass, close }
}
