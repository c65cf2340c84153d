import { join, relative } from 'node:path'
import { Failure } from '../core/failure.ts'

/** The kernel's limit for the path of a socket (unix(7): 108 octets with the final zero). */
const longest = 107

export function socketPath(dataFolder: string): string {
  return join(dataFolder, 'countersign.sock')
}

/** The path as it is given to the kernel: relative where only that is short enough. Throws Failure('unsupported'). */
export function shortPath(path: string): string {
  const near = relative(process.cwd(), path)
  const short = Buffer.byteLength(path) <= longest ? path : near
  if (Buffer.byteLength(short) <= longest) return short
  throw new Failure('unsupported', `the path of the data folder is too long for a socket (${longest} octets): ${path}`)
}
