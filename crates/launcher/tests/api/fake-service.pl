#!/usr/bin/perl
# Stands in for a service's binary: commands succeed, `serve` and `worker` answer 200 to everything.
use strict;
use warnings;
use IO::Socket::INET;

my ($name) = $0 =~ m{tabib-([a-z-]+)$};
my $command = shift // '';
exit 0 unless $command eq 'serve' || $command eq 'worker';
$SIG{TERM} = sub { exit 0 };
(my $prefix = uc $name) =~ tr/-/_/;
my $port = $ENV{ $prefix . ($command eq 'worker' ? '__SERVER__WORKER_PORT' : '__SERVER__PORT') };
my $listener = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 64, ReuseAddr => 1,
) or die "cannot listen on $port: $!";
while ( my $client = $listener->accept ) {
    while ( my $line = <$client> ) { last if $line =~ /^\r?\n$/ }
    print $client "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    close $client;
}
