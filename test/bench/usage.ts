import { readdirSync, readFileSync } from 'node:fs'

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
  return statOf(pid).own
}

/** A process and its children, those that have ended and been waited for included: PostgreSQL is a process for each connection and each task. */
export function usageWithChildren(pid: number): Usage {
  for (;;) {
    const { own, ended } = statOf(pid)
    const children = childrenOf(pid)
    const again = statOf(pid).ended
    // Who ended meanwhile might be in both, or in none.
    if (again.user === ended.user && again.system === ended.system) return sumOf([own, ended, ...children])
  }
}

export function sumOf(usages: readonly Usage[]): Usage {
  const sum = (of: keyof Usage) => usages.reduce((total, usage) => total + usage[of], 0)
  return { user: sum('user'), system: sum('system') }
}

function childrenOf(parent: number): Usage[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const stat = statOf(Number(name))
      return stat.parent === parent ? [stat.own] : []
    } catch {
      return [] // It has ended.
    }
  })
}

/** `ended`: of its children that have ended and been waited for, and of theirs. */
function statOf(pid: number): { parent: number; own: Usage; ended: Usage } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The second field is the program's name in parentheses, which may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const time = (at: number) => Number(fields[at]) * TICK_MS
  return {
    parent: Number(fields[1]),
    own: { user: time(11), system: time(12) },
    ended: { user: time(13), system: time(14) },
  }
}

/** The most memory that a process has had resident, in MiB. */
export function peakMemory(pid: number): number {
  const [, kilobytes = '0'] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
  return Number(kilobytes) / 1024
}

/** The memory that a process has resident now, in MiB. */
export function restingMemory(pid: number): number {
  const [, kilobytes = '0'] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
  return Number(kilobytes) / 1024
}
