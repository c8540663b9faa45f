// Prints what the reference parser says about the AsyncAPI document on standard input, as JSON.
import { text } from "node:stream/consumers";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(await text(process.stdin));
console.log(
  JSON.stringify({
    events: document?.messages().all().map((message) => message.name()) ?? [],
    diagnostics,
  }),
);
