import { mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { listening } from './listening.ts'

/** A web server for http-01 on 127.0.0.1 that serves the files of one folder, whatever the Host. */
export interface WebFolder {
  /** Files here are served below /.well-known/acme-challenge/. */
  folder: string
  /** Tokens that were asked for. */
  asked: string[]
  close(): Promise<void>
}

export async function serveWebFolder(folder: string, port: number): Promise<WebFolder> {
  mkdirSync(folder, { recursive: true })
  const asked: string[] = []
  const server = createServer((request, response) => {
    const token = /^\/\.well-known\/acme-challenge\/([\w-]+)$/.exec(request.url ?? '')?.[1]
    if (token === undefined) return void response.writeHead(404).end()
    asked.push(token)
    try {
      response.end(readFileSync(join(folder, token)))
    } catch {
      response.writeHead(404).end()
    }
  })
  return { folder, asked, close: await listening(server, port) }
}
