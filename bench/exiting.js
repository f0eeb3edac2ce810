// exiting and hapi, as their users start them: a server for each port in BENCH_PORTS; replies after BENCH_DELAY ms; with BENCH_N
// that many servers on ports of the kernel's choice, each with a stop handler that waits 10 ms.
'use strict';
const Fs = require('fs');
const Path = require('path');
const { createRequire } = require('module');

const load = createRequire(Path.join(process.env.BENCH_MODULES, 'x.js'));
const Exiting = load('exiting');
const Hapi = load('@hapi/hapi');

const delay = Number(process.env.BENCH_DELAY || 0);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const make = (port, hook) => {
	const server = Hapi.server({ host: '127.0.0.1', port });
	server.route({
		method: 'GET', path: '/', handler: async () => {
			if (delay) {
				await sleep(delay);
			}
			return 'ok\n';
		}
	});
	if (hook) {
		server.ext('onPreStop', () => sleep(10));
	}
	return server;
};

const main = async () => {
	const n = Number(process.env.BENCH_N || 0);
	const ports = n ? new Array(n).fill(0) : process.env.BENCH_PORTS.split(',').map(Number);
	const manager = Exiting.createManager(ports.map((port) => make(port, n > 0)));
	await manager.start();
	if (n) {
		Fs.writeFileSync(process.env.BENCH_READY, '');
	}
};

main();
