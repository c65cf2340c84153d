import { readFileSync } from 'node:fs'

/** What a process has used since it started. */
export interface Usage {
  /** CPU milliseconds. */
  user: number
  system: number
}

/** USER_HZ, which is 100 on every Linux that Node runs on (man 5 proc). */
const TICK_MS = 10

/** All threads together, those that have ended included. The kernel rounds to 10 ms. */
export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The second field is the program's name in parentheses, which may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { user: Number(fields[11]) * TICK_MS, system: Number(fields[12]) * TICK_MS }
}

/** The most memory that a process has had resident, in MiB. */
export function peakMemory(pid: number): number {
  const [, kilobytes = '0'] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
  return Number(kilobytes) / 1024
}
